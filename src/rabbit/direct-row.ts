import type { Answers } from '../direct-publish.js'
import type { PublishError } from '../errors.js'
import type { AmqpPublishOptions } from './amqp-types.js'
import type { WireMessage } from './message-check.js'
import type { OutboxRow } from './outbox-row.js'

/** A message on its way, as small as it can be, since a thousand are in flight. */
export class DirectRow<T> implements OutboxRow {
  readonly exchange: string
  readonly routingKey: string
  readonly body: Buffer
  readonly options: AmqpPublishOptions
  readonly bytes: number
  sent = false
  readonly #answers: Answers<T>
  readonly #token: T
  /** With deduplication by queue a nack says that the queue has the message. */
  readonly #nackIsCopy: boolean
  #error: unknown

  constructor(wire: WireMessage, answers: Answers<T>, token: T, nackIsCopy: boolean) {
    this.exchange = wire.exchange
    this.routingKey = wire.routingKey
    this.body = wire.body
    this.options = wire.options
    this.bytes = wire.bytes
    this.#answers = answers
    this.#token = token
    this.#nackIsCopy = nackIsCopy
  }

  resolve(): void {
    tellLater(this)
  }

  reject(error: Error): void {
    if (!(this.#nackIsCopy && (error as PublishError).reason === 'nack')) this.#error = error
    tellLater(this)
  }

  /** Called once, when nothing of amqplib is on the stack any more. */
  tell(): void {
    if (this.#error === undefined) this.#answers.confirmed(this.#token)
    else this.#answers.refused(this.#token, this.#error)
  }
}

/** Answers that have yet to be told; those of one frame are told together. */
let answered: Told[] = []

interface Told {
  tell(): void
}

function tellLater(row: Told): void {
  if (answered.push(row) === 1) queueMicrotask(tellAll)
}

function tellAll(): void {
  const rows = answered
  answered = []
  let told = 0
  try {
    while (told < rows.length) rows[told++]?.tell()
  } finally {
    // Whatever was thrown, the others hear of theirs.
    for (const row of rows.slice(told)) tellLater(row)
  }
}
