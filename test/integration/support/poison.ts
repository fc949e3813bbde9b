import type { ChangeStreamDocument } from 'mongodb'
import type { CdcErrorCode, FailedEventAction, FailureStage, RabbitMessage } from '../../../src/index.js'

// Events that fail for good, one kind per way to fail. The field `poison` of a document names the kind; the process of
// process-program.ts spoils the event, and the test knows what has to become of it.

/** How an event of this kind fails. */
export interface PoisonKind {
  readonly stage: FailureStage
  readonly code: CdcErrorCode
  /** What a bad transform makes of the event, given the message of a good one. */
  readonly spoil: (message: RabbitMessage, event: ChangeStreamDocument) => unknown
}

/** `maxMessageBytes` of the process whose events are spoilt. */
export const MAX_MESSAGE_BYTES: number = 64 * 1024

/** `transformTimeoutMs` of that process. */
export const TRANSFORM_TIMEOUT_MS = 150

/** By name. To add a kind is to add a row. */
export const poisonKinds: Readonly<Record<string, PoisonKind>> = {
  throws: {
    stage: 'transform',
    code: 'CDC_TRANSFORM_FAILED',
    spoil: () => {
      throw new Error('poison')
    },
  },
  throwsNothing: {
    stage: 'transform',
    code: 'CDC_TRANSFORM_FAILED',
    spoil: () => {
      throw undefined
    },
  },
  rejects: {
    stage: 'transform',
    code: 'CDC_TRANSFORM_FAILED',
    spoil: () => Promise.reject(new Error('poison')),
  },
  neverReturns: {
    stage: 'transform',
    code: 'CDC_TRANSFORM_TIMEOUT',
    spoil: () => new Promise(() => {}),
  },
  forgetsToReturn: { stage: 'transform', code: 'CDC_TRANSFORM_UNDEFINED', spoil: () => undefined },
  longRoutingKey: {
    stage: 'publish',
    code: 'CDC_ROUTING_KEY_TOO_LONG',
    // 128 characters of two bytes each.
    spoil: message => ({ ...message, routingKey: 'é'.repeat(128) }),
  },
  headerWithoutForm: {
    stage: 'publish',
    code: 'CDC_HEADERS_INVALID',
    spoil: message => ({ ...message, headers: { ...message.headers, price: Number.NaN } }),
  },
  headersTooLong: {
    stage: 'publish',
    code: 'CDC_HEADERS_INVALID',
    spoil: message => ({ ...message, headers: { ...message.headers, text: 'x'.repeat(65_536) } }),
  },
  bodyWithoutBytes: {
    stage: 'publish',
    code: 'CDC_MESSAGE_INVALID',
    spoil: message => ({ ...message, body: 'text' }),
  },
  tooLarge: {
    stage: 'publish',
    code: 'CDC_MESSAGE_TOO_LARGE',
    spoil: message => ({ ...message, body: Buffer.alloc(MAX_MESSAGE_BYTES + 1) }),
  },
  unroutable: {
    stage: 'publish',
    code: 'CDC_UNROUTABLE',
    spoil: message => ({ ...message, routingKey: 'no-queue-has-this-name' }),
  },
  // The broker closes the channel over it, under everything else that is in flight.
  closesTheChannel: {
    stage: 'publish',
    code: 'CDC_MESSAGE_REFUSED',
    spoil: message => ({ ...message, exchange: 'no-exchange-has-this-name' }),
  },
}

/** The kind that an event names: that of its document. */
export function poisonOf(event: object): string | undefined {
  const { fullDocument } = event as { fullDocument?: { poison?: unknown } }
  return typeof fullDocument?.poison === 'string' ? fullDocument.poison : undefined
}

/** What the function in `onFailedEvent` says in the end, after it has asked for one more attempt. */
export function decisionOf({ stage }: { readonly stage: FailureStage }): FailedEventAction {
  return stage === 'publish' ? 'dead-letter' : 'skip'
}
