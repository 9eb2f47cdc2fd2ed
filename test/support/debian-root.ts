// A Debian package of which the host is to see nothing: its files over the host's own, for programs that are run with
// chroot(8). Needs root, apt, and overlay file systems.
import { execFileSync } from 'node:child_process';
import { chmodSync, cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface DebianRoot {
  /** Where chroot(8) goes. */
  readonly root: string;
  end(): void;
}

const run = (cwd: string, ...argv: string[]): void => {
  execFileSync(argv[0] ?? '', argv.slice(1), { cwd, stdio: 'ignore', timeout: 60_000 });
};

/** Debian's /lib and its like are links to /usr/lib: a folder over the link would hide all that is in there. */
function mergeUsr(folder: string): void {
  for (const name of ['lib', 'sbin', 'bin']) {
    if (!existsSync(join(folder, name))) continue;
    mkdirSync(join(folder, 'usr', name), { recursive: true });
    cpSync(join(folder, name), join(folder, 'usr', name), { recursive: true, verbatimSymlinks: true });
    rmSync(join(folder, name), { recursive: true });
  }
}

/** The host's files with these packages over them; what is written there is gone with it. */
export function debianRoot(packages: readonly string[]): DebianRoot {
  const base = mkdtempSync(join(tmpdir(), 'wk-root-'));
  const end = (): void => {
    for (const path of [join(base, 'root'), base])
      try {
        run('/', 'umount', '-R', path);
      } catch {
        // It was not mounted yet.
      }
    rmSync(base, { recursive: true, force: true });
  };
  try {
    run('/', 'mount', '-t', 'tmpfs', 'wk-root', base);
    chmodSync(base, 0o755);
    for (const name of ['files', 'upper', 'work', 'root', 'packages']) mkdirSync(join(base, name));
    run(join(base, 'packages'), 'apt-get', '-q', 'download', ...packages);
    for (const name of readdirSync(join(base, 'packages')))
      run(base, 'dpkg-deb', '-x', join(base, 'packages', name), join(base, 'files'));
    mergeUsr(join(base, 'files'));
    const layers = `lowerdir=${base}/files:/,upperdir=${base}/upper,workdir=${base}/work`;
    const root = join(base, 'root');
    run(base, 'mount', '-t', 'overlay', '-o', layers, 'wk-root', root);
    run(base, 'mount', '-t', 'proc', 'proc', join(root, 'proc'));
    run(base, 'mount', '-t', 'tmpfs', 'tmpfs', join(root, 'run'));
    run(base, 'mount', '--bind', '/dev', join(root, 'dev'));
    return { root, end };
  } catch (error) {
    end();
    throw error;
  }
}
