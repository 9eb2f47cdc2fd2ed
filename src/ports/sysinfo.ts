// Facts about the machine: /proc for what is read often, systeminformation for inventory and slow facts.

export interface LoadFacts {
  readonly load1: number;
  readonly load5: number;
  readonly load15: number;
  readonly cores: number;
  readonly memoryTotal: number;
  readonly memoryAvailable: number;
  readonly swapTotal: number;
  readonly swapFree: number;
  readonly uptimeMs: number;
  /** Pressure stall information, `some avg10` in percent, or null without PSI. */
  readonly pressure: { readonly cpu: number | null; readonly memory: number | null; readonly io: number | null };
}

export interface Inventory {
  readonly os: string;
  readonly kernel: string;
  readonly host: string;
  readonly cpu: string;
  readonly virtual: string | null;
}

export interface SysInfo {
  /** From /proc, well under a millisecond. */
  load(): LoadFacts;
  /** From systeminformation; slow, cached for the life of the process. */
  inventory(): Promise<Inventory>;
}
