// The words of discovery: what is on this machine, what a product says of itself, what the kit of it can be told.
// Plain values, made by the files beside this one, which look and change nothing.
import type { Ports } from '../ports/ports.ts';

/** This machine, as far as discovery needs it. */
export interface Machine {
  readonly ports: Pick<Ports, 'dns' | 'exec' | 'files' | 'http' | 'proc' | 'units'>;
  readonly signal: AbortSignal;
  readonly hostname: string;
  /** Its own addresses: what points to one of them stays here. */
  readonly addresses: readonly string[];
}

/** What discovery takes from a kit. */
export interface Kit {
  readonly name: string;
  readonly about: string;
  readonly units: readonly string[];
  readonly programs: readonly string[];
  readonly files: readonly string[];
  readonly ports: readonly number[];
  /** Its parameters with their defaults; undefined where there is none and a value is a must. */
  readonly params: ReadonlyMap<string, unknown>;
  /** The names of its checks. */
  readonly checks: readonly string[];
}

/** A product that is here: one of its units is enabled or active, or one of its programs runs. */
export interface Found {
  readonly kit: Kit;
  /** The unit that has its processes. Null: it runs in none, and cannot be kept by one. */
  readonly unit: string | null;
  /** `15-main` of `postgresql@15-main.service`, when the unit is an instance. */
  readonly instance: string | null;
  /** How it was found, for a person: changes with what it does at this moment. */
  readonly evidence: string;
  /** TCP ports that its processes hold, with the addresses. */
  readonly held: readonly { readonly port: number; readonly address: string }[];
}

/** Something that looks like a product, and is not enough to keep it. */
export interface Hint {
  readonly kit: string;
  readonly text: string;
}

/** A value of a parameter, and where it was read: `postconf queue_directory`. */
export interface Value {
  readonly value: string | number | readonly (string | number)[];
  readonly from: string;
}

/** Another product that this one needs, by what is known of it. */
export type Need =
  /** One of these kits, on this machine. */
  | { readonly kits: readonly string[]; readonly from: string }
  /** Whoever listens on this port of this machine, or at this socket. */
  | { readonly port: number; readonly from: string }
  | { readonly socket: string; readonly from: string };

/** A change of one check of the kit. */
export interface Overlay {
  readonly check: string;
  readonly set: Readonly<Record<string, string | number | boolean>>;
  readonly from: string;
}

/** Where accounts come from, for the instructions: `passwd-file` and the file. */
export interface Accounts {
  readonly driver: string;
  readonly file: string | null;
}

/** What a reader found out about one product. */
export interface Reading {
  /** By the name of the parameter. Only those are used that the kit has. */
  readonly set?: Readonly<Record<string, Value | null>>;
  readonly needs?: readonly Need[];
  readonly overlays?: readonly Overlay[];
  /** Sentences for the file: what was seen and not used. */
  readonly notes?: readonly string[];
  /** Domains whose mail it takes, the first the most important. */
  readonly domains?: readonly string[];
  readonly accounts?: Accounts;
  /** A lookup table of mailboxes that a person has to add the probe to: `hash:/etc/postfix/users`. */
  readonly table?: string;
}

export type Reader = (found: Found, machine: Machine) => Promise<Reading>;
