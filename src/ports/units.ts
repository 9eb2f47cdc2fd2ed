// systemd units: all questions of one moment in one `systemctl show`, and the few verbs that recovery needs.

/** Properties as `systemctl show` prints them, by name. */
export type UnitFacts = Readonly<Record<string, string>>;

export interface Units {
  /** Facts of one unit; questions asked within 20 ms share one call. Null: systemd could not be asked. */
  show(unit: string, signal: AbortSignal): Promise<UnitFacts | null>;
}
