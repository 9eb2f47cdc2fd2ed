// Runs in Node's thread for import hooks, and knows nothing of the program: `watchkeeper/define` is this program's own
// define.js wherever a plugin lies, a file that is imported as a plugin is a module, and a package is looked for from
// the folder of the plugins.
interface Context {
  readonly parentURL?: string;
}
interface Resolved {
  readonly url: string;
  readonly format?: string | null;
  readonly shortCircuit?: boolean;
}
type Next = (specifier: string, context: Context) => Promise<Resolved>;

let define = '';

export function initialize(data: { readonly define: string }): void {
  define = data.define;
}

/** Marks the URL of a plugin; its value counts the tries to load it. */
const isPlugin = (url: string): boolean => url.startsWith('file:') && new URL(url).searchParams.has('plugin');

export async function resolve(specifier: string, context: Context, next: Next): Promise<Resolved> {
  if (specifier === 'watchkeeper/define') return { url: define, format: 'module', shortCircuit: true };
  if (specifier.startsWith('watchkeeper-package:')) {
    const { name = '', from = '', plugin = '' } = Object.fromEntries(new URL(specifier).searchParams);
    const found = await next(name, { ...context, parentURL: from });
    return { ...found, url: `${found.url}?plugin=${plugin}` };
  }
  const found = await next(specifier, context);
  // A package says by itself what its files are.
  if (found.url.includes('/node_modules/')) return found;
  const beside = specifier.startsWith('.') && isPlugin(context.parentURL ?? '');
  return (isPlugin(found.url) || beside) && /\.m?js(\?|$)/.test(found.url) ? { ...found, format: 'module' } : found;
}
