import type { Answers } from '../direct-publish.js'
import type { AmqpPublishOptions } from './amqp-types.js'
import type { WireMessage } from './message-check.js'
import type { OutboxRow } from './outbox-row.js'

/** A message on its way whose caller holds no promise: as small as it can be, since a thousand are in flight. */
export class DirectRow<T> implements OutboxRow {
  readonly exchange: string
  readonly routingKey: string
  readonly body: Buffer
  readonly options: AmqpPublishOptions
  sent = false
  readonly #answers: Answers<T>
  readonly #token: T
  #error: unknown

  constructor({ exchange, routingKey, body, options }: WireMessage, answers: Answers<T>, token: T) {
    this.exchange = exchange
    this.routingKey = routingKey
    this.body = body
    this.options = options
    this.#answers = answers
    this.#token = token
  }

  resolve(): void {
    tellLater(this)
  }

  reject(error: Error): void {
    this.#error = error
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
