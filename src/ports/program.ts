// Which program a command means. The word `node` is the very one that runs this daemon: it need not be in any PATH.

export const program = (argv: readonly string[]): string => (argv[0] === 'node' ? process.execPath : (argv[0] ?? ''));
