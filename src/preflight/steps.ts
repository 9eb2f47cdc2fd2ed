// Criteria about the steps of groups: each is asked by its own plugin whether it could be done on this node now. What a
// plugin asks (a zone and its key, a directory and the right to write, an agent, a program) is its own; nothing is
// changed by it.
import { criterion, type Criterion, error, type Fix, groupsOf, type Look, optionTexts } from './criterion.ts';

type Mend = (look: Look, options: unknown) => readonly Fix[];

const steps = (type: string, about: string, suggestion: string, mend?: Mend): Criterion =>
  criterion(
    `steps.${type}`,
    about,
    async (look) => {
      const all = groupsOf(look)
        .filter(({ policy }) => policy.nodes.includes(look.node))
        .flatMap(({ name, steps: list }) => list.filter((one) => one.type === type).map((step) => ({ name, step })));
      if (all.length === 0) return `no group of this node has a step ${type}`;
      const asked = await Promise.all(
        all.map(async ({ name, step }) => ({ name, step, said: await look.ready(name, step.name) })),
      );
      return asked
        .filter(({ said }) => !said.ok)
        .map(({ name, step, said }) =>
          error(`${name}: ${step.name}: ${said.detail}`, suggestion, ...(mend?.(look, step.options) ?? [])),
        );
    },
    mend !== undefined,
  );

/** What a mount needs, and is nobody's data: its empty folder. */
const folder: Mend = ({ look }, options) =>
  optionTexts(options, ['on'])
    .filter((path) => path.startsWith('/') && look(path) === null)
    .map((path) => ({ argv: ['mkdir', '-p', path] }));

/** Programs that are there, and that nobody may run, or that everybody may replace. */
const runnable = ({ look }: Look, paths: readonly string[]): readonly Fix[] =>
  [...new Set(paths)].flatMap((path) => {
    const found = path.startsWith('/') ? look(path) : null;
    if (found?.kind !== 'file') return [];
    const words = [...((found.mode & 0o100) === 0 ? ['u+x'] : []), ...((found.mode & 0o022) === 0 ? [] : ['go-w'])];
    return words.length === 0 ? [] : [{ argv: ['chmod', words.join(','), path] }];
  });

const ACTS = ['do', 'undo', 'probe', 'prepare', 'unprepare', 'ready'] as const;
const programs: Mend = (look, options) =>
  runnable(
    look,
    ACTS.flatMap((act) => optionTexts(options, [act]).slice(0, 1)),
  );
const scripts: Mend = (look, options) =>
  runnable(
    look,
    optionTexts(options, ['folder']).flatMap((path) =>
      ['restore', 'remove', 'quickCheck'].map((one) => `${path}/${one}`),
    ),
  );

export const groupSteps: readonly Criterion[] = [
  steps('address', 'Each moving address has an interface that could take it', 'bring one of its interfaces up'),
  steps(
    'dns',
    'The server of each zone answers, and takes our key',
    'look at server, zone and key, and at its policy for updates',
  ),
  steps(
    'directory',
    'The directory answers, and we may change its entries',
    'look at url, bind and password, and at its access rules',
  ),
  steps('service', 'What runs each service of a group answers for it', 'look at its manager: is the unit installed?'),
  steps('mount', 'Each file system of a group could be mounted', 'make the folder, attach the device', folder),
  steps(
    'ocf',
    'Each OCF agent is installed, and finds nothing wrong',
    'install resource-agents, look at the parameters',
  ),
  steps('command', 'The programs of steps could be run', 'put them there, executable, writable by root only', programs),
  steps('lifekeeper', 'The scripts of each LifeKeeper application are there', 'put them there, executable', scripts),
  steps('queue', 'The queue of each Postfix could be asked', 'look at `config`, and at `postfix check`'),
  steps(
    'fence',
    'The devices that fence answer for the other nodes',
    'install fence-agents, look at the address and the account',
  ),
];
