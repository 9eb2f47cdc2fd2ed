// Does the virus scanner answer, know the viruses of today, and find the one that everybody agreed on for tests?
// It loads its database for minutes before it listens, and again after an update: that is no hang.
import { type CheckContext, type CheckResult, defineCheck, degraded, fail, opt, pass, z } from '../define.ts';
import { address, place, placeText } from '../dialogues/endpoint.ts';
import { quote } from '../dialogues/quote.ts';
import { converse, type Session } from '../dialogues/session.ts';

const options = z.strictObject({
  ...place(3310),
  age: opt.duration('Degraded when the database of signatures is older: freshclam brings no new ones.').prefault('3d'),
  'own-signatures': opt.flag('The scanner works with signatures of your own alone, which have no age.').default(false),
  'test-virus': opt.flag('A DeepCheck hands over the EICAR test text, which must be found.').default(true),
});
type Context = CheckContext<z.output<typeof options>>;

const DAY_MS = 86_400_000;
/** From two halves, so that no scanner takes this file for the thing itself. */
const TEST_VIRUS = ['X5O!P%@AP[4\\PZX54(P^)7CC)7}$EICAR-STAND', 'ARD-ANTIVIRUS-TEST-FILE!$H+H*'].join('');

/** One command on a connection of its own, which clamd closes after its answer. */
async function ask(context: Context, session: Session, word: string, data?: Uint8Array): Promise<string> {
  return session.step(
    word,
    async () => {
      const dialogue = await session.open(address(context.options));
      await dialogue.write(`n${word}\n`);
      if (data) await dialogue.write(data);
      return dialogue.readLine();
    },
    (line) => line,
  );
}

/** A chunk with its length before it, and the empty one that ends the stream. */
function stream(text: string): Uint8Array {
  const bytes = Buffer.from(text, 'latin1');
  const framed = Buffer.alloc(bytes.length + 8);
  framed.writeUInt32BE(bytes.length, 0);
  bytes.copy(framed, 4);
  return framed;
}

/** `ClamAV 1.4.3/27000/Tue Nov 21 09:38:00 2026`; the part after the first `/` is missing without a database. */
function judgeVersion(context: Context, session: Session, line: string): CheckResult | null {
  const { seen } = session;
  const [, version = '', build, date] = /^ClamAV ([^/]{1,60})(?:\/(\d{1,9})\/(.{1,60}))?$/.exec(line) ?? [];
  if (version === '') return fail('misconfigured', `not clamd: it says ${quote(line, 80)} for its version`, seen);
  if (context.options['own-signatures']) return null;
  const made = build === undefined ? Number.NaN : Date.parse(date ?? '');
  if (Number.isNaN(made)) {
    return degraded('expired', `it has no signatures but old or own ones (version ${quote(line, 80)})`, seen);
  }
  const age = context.ports.clock.wall() - made;
  session.measure('age', age / 1000, 's');
  if (age <= context.options.age) return null;
  const days = (age / DAY_MS).toFixed(1);
  return degraded('expired', `its signatures are ${days} days old (build ${build}): look at freshclam`, seen);
}

async function findsVirus(context: Context, session: Session): Promise<CheckResult | null> {
  const line = await ask(context, session, 'INSTREAM', stream(TEST_VIRUS));
  const { seen } = session;
  if (/^stream: .* FOUND$/.test(line)) return null;
  if (/^stream: OK$/.test(line)) return fail('misconfigured', 'it does not find the EICAR test text', seen);
  const said = `INSTREAM: ${quote(line)}`;
  if (/no space|disk full|temporary/i.test(line)) return fail('no-space', said, seen);
  return fail(line.endsWith('ERROR') ? 'refusing' : 'misconfigured', said, seen);
}

async function deep(context: Context, session: Session): Promise<CheckResult | null> {
  const old = judgeVersion(context, session, await ask(context, session, 'VERSION'));
  if (old?.outcome === 'fail') return old;
  // A scanner that finds nothing is worse than one that is old.
  return (context.options['test-virus'] ? await findsVirus(context, session) : null) ?? old;
}

export default defineCheck({
  about: 'Quick: clamd answers PING. Deep: the age of its signatures, and the EICAR test text is found.',
  depth: 'both',
  options,
  example: { path: '/run/clamav/clamd.ctl', age: '2d' },
  async run(context) {
    const where = placeText(context.options);
    return converse(context, where, async (session) => {
      const line = await ask(context, session, 'PING');
      const bad =
        line !== 'PONG'
          ? fail('misconfigured', `not clamd: it answers PING with ${quote(line, 80)}`, session.seen)
          : context.depth === 'deep'
            ? await deep(context, session)
            : null;
      if (bad) return { ...bad, detail: `${where}: ${bad.detail}`, ...session.seen };
      const did = context.depth === 'deep' && context.options['test-virus'] ? 'finds the test virus' : 'answers';
      return pass(`${where} ${did}`, session.seen);
    });
  },
});
