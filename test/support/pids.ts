// What /proc says of a process that may end while one looks (proc(5)).
import { readFileSync } from 'node:fs';

function read(pid: number, file: string): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'utf8');
  } catch {
    return '';
  }
}

/** Empty when it has gone. */
export const nameOf = (pid: number): string => read(pid, 'comm').trim();

/** It runs, or could: neither gone nor dead and not yet waited for. */
export function lives(pid: number): boolean {
  const stat = pid > 0 ? read(pid, 'stat') : '';
  return stat !== '' && !/^[ZX]/.test(stat.slice(stat.lastIndexOf(')') + 2));
}

export const childrenOf = (pid: number): readonly number[] =>
  read(pid, `task/${pid}/children`)
    .trim()
    .split(' ')
    .map(Number)
    .filter((child) => child > 0);

/** The process and everything below it. */
export const processTree = (pid: number): number[] => [pid, ...childrenOf(pid).flatMap(processTree)];
