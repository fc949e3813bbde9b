import type { Settings } from './settings.js'

/** What the process of the pipeline is told at its start. */
export interface ChildOptions {
  readonly mongoUri: string
  readonly amqpUrl: string
  readonly database: string
  readonly checkpoints: string
  readonly exchange: string
  readonly queue: string
  readonly deadLetters: string
  readonly settings: Settings
  /** Of the choices that its transforms make. */
  readonly seed: number
  /** Gets a line for each thing that the checker has to know. */
  readonly log: string
  /** Which local port really leads to which: the proxies. */
  readonly ports: Readonly<Record<string, number>>
}

/** What transforms do for a while, to one event in so many. */
export interface Mischief {
  readonly what: 'throws' | 'hangs'
  readonly share: number
  readonly ms: number
}

/** What the parent may ask of it. */
export type ChildRequest =
  | { readonly ask: 'pause' | 'resume' | 'status' }
  | { readonly ask: 'mischief'; readonly mischief: Mischief }

/** How it is doing. */
export interface ChildStatus {
  readonly state: string
  readonly lagMs: number
}

/** Longest time for what is in flight when it stops. */
export const DRAIN_MS = 5_000
/** That, 5 s for closing, and what a busy machine needs. */
export const STOP_MS: number = DRAIN_MS + 5_000 + 5_000
