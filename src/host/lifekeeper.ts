// The scripts of a LifeKeeper resource: a folder, a name for each action, and the words that they are called with. Exit
// code 0 is good, everything else is not.
import { opt, type Ports } from '../define.ts';

export const resourceOptions = {
  folder: opt.path('The folder of its scripts: restore, remove, recover, quickCheck, deepCheck'),
  tag: opt.text('The tag of the resource, given as -t; without it, the name of the service').optional(),
  id: opt.text('The identifier of the resource, given as -i; without it, the tag').optional(),
};

export interface Resource {
  readonly folder: string;
  readonly tag?: string | undefined;
  readonly id?: string | undefined;
}

export type ScriptName = 'restore' | 'remove' | 'recover' | 'quickCheck' | 'deepCheck';

/** Other spellings of a name, as products have them. */
const SPELLINGS: Readonly<Record<ScriptName, readonly string[]>> = {
  restore: ['restore'],
  remove: ['remove'],
  recover: ['recover'],
  quickCheck: ['quickCheck', 'quickcheck', 'quickchk'],
  deepCheck: ['deepCheck', 'deepcheck', 'deepchk'],
};

/** The script's path, or null when there is none. */
export function scriptPath(ports: Ports, { folder }: Resource, name: ScriptName): string | null {
  for (const spelling of SPELLINGS[name]) {
    const path = `${folder}/${spelling}`;
    const kind = ports.files.facts(path)?.kind;
    if (kind === 'file' || kind === 'link') return path;
  }
  return null;
}

export function scriptArgv(path: string, resource: Resource, service: string): readonly string[] {
  const tag = resource.tag ?? service;
  return [path, '-t', tag, '-i', resource.id ?? tag];
}
