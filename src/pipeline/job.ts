import type { Prepared } from '../direct-publish.js'
import { messageId } from '../message-id.js'
import type { Delivery, SourceRecord } from '../types.js'
import type { InFlightEntry } from './in-flight.js'

/** A record that carries an event. */
export interface EventRecord<E> extends SourceRecord<E> {
  readonly event: E
  readonly id: string
}

/** One message of an event, with its stable id. */
export interface Part<E, M> {
  readonly job: Job<E, M>
  readonly index: number
  readonly message: M
  readonly delivery: Delivery
  /** For the first attempt, by a sink that can; let go of when it is sent. */
  prepared: Prepared | undefined
  /** How often it was refused, nacks not counted. */
  refusals: number
  /** What the last attempt was refused with. */
  error: unknown
}

/** The message at this index of an event. */
export function partOf<E, M>(job: Job<E, M>, message: M, index: number): Part<E, M> {
  const delivery = { id: messageId(job.record.id, index) }
  return { job, index, message, delivery, prepared: undefined, refusals: 0, error: undefined }
}

/** An admitted event on its way from transform to settled. */
export interface Job<E, M> {
  readonly record: EventRecord<E>
  /** Ordering key; absent: a barrier. */
  readonly key: string | undefined
  /** What the `ordering` function threw; the event fails with it when its turn comes. */
  readonly keyError: unknown
  readonly entry: InFlightEntry
  /** Attempts of the present stage. */
  attempts: number
  /** How many messages the event has. */
  messages: number
  /** What is to be published in this round. */
  parts: readonly Part<E, M>[]
  /** Messages of this round that the sink has not answered yet. */
  outstanding: number
  /** Messages of this round that were refused. */
  refused: Part<E, M>[]
  /** The messages that failed for good; decided on when all others are confirmed. */
  lost: Part<E, M>[] | undefined
  nacked: boolean
}

/** An event that has just been admitted. Written out: an object spread takes longer than all the rest of an event. */
export function createJob<E, M>(
  record: EventRecord<E>,
  key: string | undefined,
  keyError: unknown,
  entry: InFlightEntry,
): Job<E, M> {
  return {
    record,
    key,
    keyError,
    entry,
    attempts: 0,
    messages: 0,
    parts: [],
    outstanding: 0,
    refused: [],
    lost: undefined,
    nacked: false,
  }
}

/** Whether a value can be waited for. */
export function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof (value as { then?: unknown } | null | undefined)?.then === 'function'
}
