// Which file system a path is on and whether it can be written, from the kernel's own table (proc(5), mountinfo).

export interface Mount {
  readonly point: string;
  readonly kind: string;
  readonly source: string;
  readonly readOnly: boolean;
}

const unescape = (text: string): string =>
  text.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));

/** `id parent dev root point options [optional…] - kind source superoptions`, one a line. */
export function parseMounts(text: string): readonly Mount[] {
  return text.split('\n').flatMap((line) => {
    const [left = '', right = ''] = line.split(' - ');
    const [, , , , point, options = ''] = left.split(' ');
    const [kind = '', source = '', more = ''] = right.split(' ');
    if (!point || !kind) return [];
    const readOnly = [...options.split(','), ...more.split(',')].includes('ro');
    return [{ point: unescape(point), kind, source: unescape(source), readOnly }];
  });
}

/** The mount that shows at this point: the newest one, when several lie on each other. */
export const mountAt = (mounts: readonly Mount[], point: string): Mount | null =>
  mounts.findLast((one) => one.point === point) ?? null;
