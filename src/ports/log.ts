// The daemon's own log. Alerts do not depend on it.

export type LogFields = Readonly<Record<string, string | number | boolean | null>>;

export interface Log {
  debug(text: string, fields?: LogFields): void;
  info(text: string, fields?: LogFields): void;
  warn(text: string, fields?: LogFields): void;
  error(text: string, fields?: LogFields): void;
}
