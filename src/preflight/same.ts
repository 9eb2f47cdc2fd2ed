// Criteria about what must be alike on all nodes: versions, the configuration of mail, the numbers of users.
import { criterion, type Criterion, missing, NO_DAEMON, sameEverywhere, warning, error } from './criterion.ts';

const HERE = 'bring both nodes to the same';

export const versions: readonly Criterion[] = [
  criterion('versions.watchkeeper', 'All nodes run one version of this program', ({ cluster, node }) => {
    if (!cluster) return NO_DAEMON;
    const own = cluster.nodes.find((one) => one.own)?.version ?? null;
    return cluster.nodes
      .filter(({ version }) => version !== null && own !== null && version !== own)
      .map((one) =>
        warning(`${node} has ${own}, ${one.node} has ${one.version}`, 'update the one that is behind, standbys first'),
      );
  }),
  sameEverywhere(
    'versions.configuration',
    'configuration',
    'Cluster and groups are configured alike',
    'error',
    'copy the files and reload: nodes that disagree about a group may both be right',
  ),
  sameEverywhere('versions.os', 'os', 'All nodes run one release of the system', 'warning', HERE),
  sameEverywhere(
    'versions.kernel',
    'kernel',
    'All nodes run one kernel',
    'warning',
    `${HERE}: a fault in one of them shows after the move`,
  ),
  sameEverywhere(
    'versions.arch',
    'arch',
    'All nodes are of one architecture',
    'warning',
    'indexes and databases may not be readable by the other: use one',
  ),
  sameEverywhere(
    'versions.postfix',
    'postfix',
    'Postfix is of one version',
    'error',
    `${HERE}: an older one may not read the queue of a newer one`,
  ),
  sameEverywhere(
    'versions.dovecot',
    'dovecot',
    'Dovecot is of one version',
    'error',
    `${HERE}: an older one may not read the indexes of a newer one`,
  ),
  sameEverywhere('versions.etcd', 'etcd', 'etcd is of one version', 'warning', HERE),
  sameEverywhere(
    'versions.openssl',
    'openssl',
    'OpenSSL is of one version',
    'warning',
    `${HERE}: clients see other ciphers after a move`,
  ),
  sameEverywhere('versions.node', 'node', 'Node.js is of one version', 'warning', HERE),
  sameEverywhere(
    'versions.memory',
    'memory',
    'All nodes have as much memory',
    'warning',
    'give the smaller one more, or it fails under the load that it takes over',
  ),
];

export const mail: readonly Criterion[] = [
  sameEverywhere(
    'mail.postconf',
    'postconf',
    'main.cf says the same (but for names and addresses of nodes)',
    'error',
    'compare `postconf -n` of both nodes and keep it in one place',
  ),
  sameEverywhere('mail.master', 'master', 'master.cf says the same', 'error', 'compare `postconf -M` of both nodes'),
  sameEverywhere(
    'mail.doveconf',
    'doveconf',
    'Dovecot is configured alike',
    'error',
    'compare `doveconf -n` of both nodes',
  ),
  sameEverywhere('mail.aliases', 'aliases', '/etc/aliases is the same', 'warning', 'copy it and run newaliases'),
  criterion('mail.postfix-valid', 'Postfix would start with its configuration', async ({ run }) => {
    const found = await run(['postfix', 'check']);
    if (found.missing) return missing('postfix');
    return found.ok ? [] : [error(found.out.slice(0, 300), 'mend main.cf: `postfix check` says where')];
  }),
  criterion('mail.dovecot-valid', 'Dovecot would start with its configuration', async ({ run }) => {
    const found = await run(['doveconf', '-n']);
    if (found.missing) return missing('dovecot');
    return found.ok ? [] : [error(found.out.slice(0, 300), 'mend its configuration: `doveconf -n` says where')];
  }),
  criterion(
    'mail.queue-ids',
    'Queue ids of Postfix are long: queues of two nodes can be merged',
    async ({ run }) => {
      const found = await run(['postconf', '-h', 'enable_long_queue_ids']);
      if (found.missing) return missing('postfix');
      if (found.out.trim() === 'yes') return [];
      const fix = { argv: ['postconf', '-e', 'enable_long_queue_ids=yes'] };
      return [warning('they are short: two queues may hold the same id', 'postconf -e enable_long_queue_ids=yes', fix)];
    },
    true,
  ),
  criterion(
    'mail.aliases-built',
    'What was written into /etc/aliases is what Postfix reads',
    async ({ look, run }) => {
      const found = await run(['postconf', '-h', 'alias_database']);
      if (found.missing) return missing('postfix');
      if (!/\b(hash|btree|lmdb):\/etc\/aliases(\s|,|$)/.test(found.out) || !look('/etc/aliases'))
        return 'it reads no table made from it';
      const built = ['/etc/aliases.db', '/etc/aliases.lmdb'].find((path) => look(path));
      const newer = built === undefined || (await run(['find', '/etc/aliases', '-newer', built])).out.trim() !== '';
      if (!newer) return [];
      return [warning('the table is older, or not there', 'newaliases', { argv: ['newaliases'] })];
    },
    true,
  ),
];

export const users: readonly Criterion[] = [
  sameEverywhere(
    'users.uids',
    'users',
    'Users of mail have the same numbers',
    'error',
    'usermod -u and chown on one node: files on shared storage belong to numbers',
  ),
  sameEverywhere(
    'users.gids',
    'groups',
    'Groups of mail have the same numbers',
    'error',
    'groupmod -g and chgrp on one node: files on shared storage belong to numbers',
  ),
  sameEverywhere(
    'users.nsswitch',
    'nsswitch',
    'Users are looked up in the same places',
    'warning',
    'make /etc/nsswitch.conf the same',
  ),
];
