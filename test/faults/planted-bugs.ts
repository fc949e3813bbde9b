import type { Step } from './plan.js'
import type { Settings } from './settings.js'
import type { ViolationKind } from './verdict.js'

/** A change of the sources that the checker has to notice. */
export interface Bug {
  readonly file: string
  /** Stands there exactly once, or the build fails. */
  readonly snippet: string
  readonly instead: string
}

/** A bug, and a short run in which it shows. */
export interface PlantedBug {
  readonly name: string
  /** None: the same run has to pass. */
  readonly bug?: Bug
  /** At least these have to be found; none for the run without a bug. */
  readonly found: readonly ViolationKind[]
  readonly steps: readonly Step[]
  readonly settings?: Partial<Settings>
}

const lost = [step(['confirms are held back', 2_000], ['a burst', 0]), step(['the process is killed', 0])]
const nacked = [step(['the queue is full', 1_500])]
// The first fault of a step is the one that ends with a reset: what was written into the hole never arrives.
const cutOff = [step(['a black hole towards RabbitMQ', 800], ['a burst', 0])]
const poisoned = [step(['the queue of dead letters is full', 1_500])]

/** To add a bug is to add a row. */
export const plantedBugs: readonly PlantedBug[] = [
  { name: 'no bug', found: [], steps: [...lost, ...nacked, ...poisoned] },
  {
    name: 'a position is saved on receipt',
    bug: {
      file: 'src/pipeline/in-flight.ts',
      snippet: 'return this.#settledPosition\n',
      instead: 'return this.#tail?.reaches ?? this.#settledPosition\n',
    },
    found: ['passedUnconfirmed'],
    steps: lost,
  },
  {
    name: 'the live token of the reader is saved',
    bug: {
      file: 'src/source/records.ts',
      snippet: 'const records = batch.events.map(raw => recordOf<E>(raw, origin))\n',
      instead: `const live = batch.highWaterMark ?? batch.events.at(-1)?.event._id
  const position = live && { position: positionOf(live, origin) }
  const records = batch.events.map(raw => ({ ...recordOf<E>(raw, origin), ...position }))\n`,
    },
    found: ['passedUnconfirmed'],
    steps: lost,
  },
  {
    name: 'a nack counts as an ack',
    bug: {
      file: 'src/rabbit/confirm-table.ts',
      snippet: 'if (!taken) this.#settle(row, NACK)\n    else this.#settle',
      instead: 'this.#settle',
    },
    found: ['lost'],
    steps: nacked,
  },
  {
    name: 'events of one document are published at once',
    bug: {
      file: 'src/pipeline/pipeline.ts',
      snippet: "new Lanes({ exclusive: options.ordering !== 'pipelined' })",
      instead: 'new Lanes({ exclusive: false })',
    },
    found: ['order'],
    steps: nacked,
  },
  {
    name: 'unconfirmed messages are not sent again',
    bug: {
      file: 'src/rabbit/outbox.ts',
      snippet: 'this.#waiting = [...taken, ...this.#waiting.slice(this.#next)]',
      instead: 'this.#waiting = this.#waiting.slice(this.#next)',
    },
    found: ['lost', 'notRecovered'],
    steps: cutOff,
  },
  {
    name: 'a position passes an unconfirmed dead letter',
    bug: {
      file: 'src/pipeline/dead-letters.ts',
      snippet: 'sent.then(\n      () => this.#hooks.sent(job),',
      instead: 'if (job.attempts === 1) this.#hooks.sent(job)\n    sent.then(\n      () => {},',
    },
    found: ['passedUnconfirmed'],
    steps: poisoned,
  },
]

function step(...faults: readonly (readonly [kind: string, lengthMs: number])[]): Step {
  return { pauseMs: 300, faults: faults.map(([kind, lengthMs], seed) => ({ kind, lengthMs, seed })) }
}
