// What kinds of failure there are. The cause decides which repair can help; everybody who names one takes it from here.

export const CAUSES = [
  'dead', // the process is gone: conclusive, needs no second opinion
  'hung', // it accepts, or runs, and does not answer in time
  'refusing', // it runs and says no, or its port says no
  'misconfigured', // a restart would read the same bad configuration again
  'no-space', // blocks, inodes, quota, or a read-only file system
  'dependency', // something it needs is at fault: resolver, directory, store, next hop
  'overloaded', // alive and too busy
  'credentials', // the probe's own login is refused
  'expired', // a certificate or a licence is past its end
] as const;

export type Cause = (typeof CAUSES)[number];
