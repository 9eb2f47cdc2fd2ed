// Each fault does to the node what it says, and leaves nothing behind. No daemon is there to repair anything.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { faults, healed } from '../faults/all.ts';
import { judge, WELL } from './judge.ts';
import { Lab } from './lab.ts';
import { bootMail, makeMailNode, type MailNode } from './mail-node.ts';

const test = suite('faults');
let lab: Lab;
let mail: MailNode;

// A test and not a hook: of a hook that throws uvu says nothing.
test('the node boots, and all is well', async () => {
  lab = await Lab.up({ nodes: ['mail'] });
  mail = await makeMailNode(lab.node('mail'), { full: true });
  await bootMail(mail);
  assert.equal(await judge(lab, mail), WELL);
});
test.after(() => lab.close());

// FAULT=word in the environment leaves out the others, for whoever works on one.
const word = process.env['FAULT'] ?? '';
for (const fault of faults.filter((each) => each.name.includes(word))) {
  test(`${fault.name}: ${fault.about}`, async () => {
    try {
      await fault.inject(mail);
      const seen = await judge(lab, mail, 2000);
      const broken = Object.keys(WELL).filter((part) => seen[part as keyof typeof seen] !== 'ok');
      if (fault.breaks) assert.ok(broken.includes(fault.breaks), `a user notices: ${JSON.stringify(seen)}`);
      else assert.equal(broken, [], JSON.stringify(seen));
    } finally {
      await healed(fault, mail);
    }
    assert.equal(await judge(lab, mail), WELL);
  });
}

test.run();
