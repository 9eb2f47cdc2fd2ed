// A store in memory, with a disk that can be full, gone, slow or cut off in the middle of a write.
import type { Appender, Store } from '../../src/ports/store.ts';

export class MemoryStore implements Store {
  readonly dir = '/memory';
  readonly files = new Map<string, string>();
  /** What the next writes do instead of writing. */
  trouble: 'none' | 'full' | 'hang' = 'none';
  writes = 0;

  #write(): Promise<void> {
    this.writes++;
    if (this.trouble === 'full') return Promise.reject(Object.assign(new Error('no space left'), { code: 'ENOSPC' }));
    return this.trouble === 'hang' ? new Promise(() => undefined) : Promise.resolve();
  }
  list(): readonly string[] {
    return [...this.files.keys()].sort();
  }
  read(name: string): Buffer | null {
    const text = this.files.get(name);
    return text === undefined ? null : Buffer.from(text);
  }
  async appender(name: string): Promise<Appender> {
    await this.#write();
    if (!this.files.has(name)) this.files.set(name, '');
    return {
      append: async (text) => {
        await this.#write();
        this.files.set(name, (this.files.get(name) ?? '') + text);
      },
      close: () => Promise.resolve(),
    };
  }
  async replace(name: string, text: string): Promise<void> {
    await this.#write();
    this.files.set(name, text);
  }
  rename(from: string, to: string): void {
    const text = this.files.get(from);
    if (text === undefined) throw Object.assign(new Error('no such file'), { code: 'ENOENT' });
    this.files.delete(from);
    this.files.set(to, text);
  }
  remove(name: string): void {
    this.files.delete(name);
  }
  copy(): MemoryStore {
    const copy = new MemoryStore();
    for (const [name, text] of this.files) copy.files.set(name, text);
    return copy;
  }
}
