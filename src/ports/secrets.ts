// Secrets by reference: `file:/path`, `env:NAME`, `credential:NAME` (systemd LoadCredential). Read at use, never kept
// in the configuration, never printed.

export interface Secrets {
  /** The value, without a trailing newline. Throws an Error whose text names the reference, never the value. */
  read(reference: string): string;
}
