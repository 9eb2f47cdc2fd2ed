// Is anybody listening, and how long does it take to get through?
import { defineCheck, fail, opt, pass, z } from '../define.ts';
import { address, placeText } from '../dialogues/endpoint.ts';
import { quote } from '../dialogues/quote.ts';
import { converse } from '../dialogues/session.ts';

export default defineCheck({
  about: 'Connects to a TCP port or a unix socket; with `expect` it also reads the first line.',
  depth: 'both',
  options: z
    .strictObject({
      host: opt.host('Host name or address. An address needs no resolver.').default('127.0.0.1'),
      port: opt.port('TCP port; or give `path`.').optional(),
      path: opt.path('A unix socket instead of host and port.').optional(),
      expect: opt.text('Text that the first line must contain.').optional(),
    })
    .refine((options) => options.port !== undefined || options.path !== undefined, 'give `port` or `path`'),
  example: { host: '127.0.0.1', port: 3306 },
  async run(context) {
    const { expect } = context.options;
    const place = { ...context.options, port: context.options.port ?? 0 };
    const where = placeText(place);
    return converse(context, where, async (session) => {
      const dialogue = await session.step('connect', () => session.open(address(place)));
      session.measure('connect', dialogue.connectMs, 'ms');
      const connected = `${where} accepts connections (${dialogue.connectMs.toFixed(1)} ms)`;
      if (expect === undefined) return pass(connected, session.seen);
      const line = await session.step('first line', () => dialogue.readLine(), quote);
      if (line.includes(expect)) return pass(`${connected} and says ${quote(line, 80)}`, session.seen);
      return fail('misconfigured', `${where} says ${quote(line, 80)}, not ${quote(expect, 80)}`, session.seen);
    });
  },
});
