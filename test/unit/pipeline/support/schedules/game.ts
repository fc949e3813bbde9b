import type { CdcPipeline, StopResult } from '../../../../../src/pipeline/cdc-pipeline.js'
import { createCdcPipeline } from '../../../../../src/pipeline/create-cdc-pipeline.js'
import type { EventFailure, FailedEventDecision } from '../../../../../src/pipeline/failure-policy.js'
import type { CdcPipelineOptions } from '../../../../../src/pipeline/pipeline-options.js'
import { RabbitPublisher } from '../../../../../src/rabbit/rabbit-publisher.js'
import type { RabbitMessage } from '../../../../../src/types.js'
import { seeded } from '../random.js'
import { connectTo } from './amqp.js'
import { Broker } from './broker.js'
import { type Change, letterOf } from './change.js'
import { Clock, turn } from './clock.js'
import { checkMemory, checkUnsaved } from './invariants.js'
import { Ledger } from './ledger.js'
import { messageOf, Store, Stream, Transforms } from './parts.js'
import { PlainSink } from './plain-sink.js'
import type { Setup } from './schedule.js'

/** What a pipeline of a schedule is made of. */
export type Options = CdcPipelineOptions<Change, RabbitMessage>

/** What is spoilt on purpose, to see that it is noticed. */
export interface Bug {
  /** Wraps what a pipeline is made of. */
  readonly spoil?: (options: Options, game: Game) => Options
  /** Wraps the pipeline. */
  readonly wrap?: (pipeline: CdcPipeline) => CdcPipeline
}

/** Time for what is in flight when a pipeline ends, and for closing after it. */
export const DRAIN_MS = 2_000
const CLOSE_MS = 5_000

const real = { random: Math.random, stackTraceLimit: Error.stackTraceLimit }

/**
 * The fakes of one schedule and the process of now: a real pipeline, with the real publisher or a sink of somebody
 * else's. Each process has a clock of its own: the timers of one that is gone never fire.
 */
export class Game {
  readonly setup: Setup
  readonly ledger: Ledger
  readonly broker: Broker
  readonly stream: Stream
  readonly store: Store
  readonly transforms = new Transforms()
  readonly #bug: Bug
  /** Policies that have not answered yet. */
  #undecided: (() => void)[] = []
  #process = 0
  #clock: Clock | undefined
  #pipeline: CdcPipeline | undefined
  #result: StopResult | undefined
  #deadline: number | undefined
  #now = 0

  constructor(setup: Setup, bug: Bug = {}) {
    const { ordering } = setup
    this.setup = setup
    this.ledger = new Ledger({ ordering, laneOf: ordering === 'function' ? laneByFunction : laneByKey, maxAttempts: 2 })
    this.broker = new Broker(this.ledger)
    this.stream = new Stream(this.ledger)
    this.store = new Store(this.ledger)
    this.#bug = bug
  }

  /** The pipeline of now. */
  get pipeline(): CdcPipeline {
    return this.#pipeline as CdcPipeline
  }

  get now(): number {
    return this.#now
  }

  /** A new process begins. */
  begin(): void {
    this.#clock = new Clock(this.#now)
    Math.random = seeded(this.#process)
    Error.stackTraceLimit = 0 // most of the time of a schedule went into stacks that nobody reads
    this.ledger.begun()
    const options = this.#options()
    const made = createCdcPipeline(this.#bug.spoil?.(options, this) ?? options)
    const pipeline = this.#bug.wrap?.(made) ?? made
    this.#pipeline = pipeline
    this.#result = undefined
    this.#deadline = undefined
    made.on('failedEvent', ({ event, action }) => {
      const { name } = event as Change
      this.ledger.decided(name, action)
      if (action === 'stop') this.transforms.mended.add(name)
    })
    made.on('state', ({ to }) => {
      if (to === 'stopping') this.#mustEndBy(this.#time() + DRAIN_MS)
    })
    made.on('stopped', result => {
      this.#result = result
      if (this.#time() > (this.#deadline ?? 0)) this.ledger.violations.push(`I10: it took too long to stop`)
    })
    pipeline.done.catch(() => undefined)
    pipeline.start().catch(() => undefined)
  }

  /** Asks it to stop; with its own time for what is in flight, or another one. */
  stop(drainTimeoutMs?: number): true {
    this.pipeline.stop(drainTimeoutMs === undefined ? {} : { drainTimeoutMs }).catch(() => undefined)
    this.#mustEndBy(this.#time() + (drainTimeoutMs ?? DRAIN_MS))
    return true
  }

  /** The process dies at once; its last `arriving` messages, and a save, may have got through. */
  crash(arriving: number): true {
    this.#leave(arriving)
    this.begin()
    return true
  }

  /** Lets happen what can happen without time, then looks at everything; an ended process is replaced. */
  async settle(): Promise<void> {
    await turn()
    this.#look()
    if (!this.#result) return
    this.#leave(Number.POSITIVE_INFINITY)
    this.begin()
    await this.settle()
  }

  async wait(ms: number): Promise<void> {
    await this.#clock?.advance(ms)
    this.#now = this.#time()
    await this.settle()
  }

  /** Everybody is well again, and whoever was held goes on. A silent connection is left to the publisher's watch. */
  heal(): void {
    const { broker } = this
    broker.away = false
    if (this.setup.sink === 'plain') broker.silent = false
    broker.likeAll()
    broker.unblock()
    broker.drain()
    this.store.heal()
    this.transforms.finish()
    this.decide()
  }

  decide(): boolean {
    const undecided = this.#undecided.splice(0)
    for (const decide of undecided) decide()
    return undecided.length > 0
  }

  /** Gives the real clock back. */
  over(): void {
    this.#process += 1
    this.#clock?.restore()
    Math.random = real.random
    Error.stackTraceLimit = real.stackTraceLimit
  }

  #options(): Options {
    const { sink, ordering, onFailedEvent, circuitBreaker, onceMore: _, ...limits } = this.setup
    this.#process += 1
    const process = this.#process
    const alive = (): boolean => process === this.#process
    return {
      ...limits,
      name: 'schedules',
      source: this.stream.source(alive),
      transform: this.transforms.transform,
      sink: sink === 'plain' ? new PlainSink(this.broker, alive) : publisher(this.broker, alive),
      checkpointStore: this.store.store(alive),
      ordering: ordering === 'function' ? laneByFunction : ordering,
      onFailedEvent: onFailedEvent === 'function' ? failure => this.#policy(failure, alive) : onFailedEvent,
      deadLetter: { message: ({ event }) => messageOf(letterOf(event)) },
      ...(circuitBreaker && { circuitBreaker: { failures: 2, of: 4 } }),
      transformTimeoutMs: 1_000,
      maxAttempts: this.ledger.terms.maxAttempts,
      retry: { minDelayMs: 10, maxDelayMs: 4_000 },
      checkpointIntervalMs: 100,
      idleCheckpointIntervalMs: 1_000,
      maxUnsavedMs: 5_000,
      drainTimeoutMs: DRAIN_MS,
    }
  }

  /** Once more first; then each of the others, some of them only when the schedule says so. */
  #policy(
    { event, attempts }: EventFailure<Change>,
    alive: () => boolean,
  ): FailedEventDecision | Promise<FailedEventDecision> {
    const { n } = event
    const decision = attempts < 3 ? 'retry' : (['skip', 'dead-letter', 'stop'] as const)[n % 3]!
    if (n % 2 === 0) return decision
    return new Promise(resolve => this.#undecided.push(() => alive() && resolve(decision)))
  }

  #time(): number {
    return this.#clock?.now ?? this.#now
  }

  #mustEndBy(time: number): void {
    this.#deadline = Math.min(this.#deadline ?? Number.POSITIVE_INFINITY, time + CLOSE_MS)
  }

  #look(): void {
    const { setup, ledger, stream } = this
    const wrong = checkMemory(setup, this.pipeline.stats(), stream.handed)
    if (wrong) ledger.violations.push(wrong)
    if (!this.#result && this.#time() > (this.#deadline ?? Number.POSITIVE_INFINITY)) {
      ledger.violations.push('I10: it has not stopped in its time')
    }
    if (this.pipeline.state === 'paused' && this.pipeline.stats().unsavedEvents === 0) ledger.endedCleanly()
  }

  #leave(arriving: number): void {
    const stats = this.pipeline.stats()
    this.broker.forget(arriving)
    this.store.forget(arriving % 2 === 0)
    this.transforms.forget()
    this.#undecided = []
    const left = checkUnsaved(this.setup, stats, this.ledger)
    if (left) this.ledger.violations.push(left)
    this.ledger.ended()
    if (this.#result?.drained) this.ledger.endedCleanly()
    this.#now = this.#time()
    this.over()
  }
}

function laneByKey({ key }: Change): string | undefined {
  return key
}

/** Two documents share a lane, and every change of the third is a barrier. */
function laneByFunction({ key }: Change): string | undefined {
  return key === 'a' || key === 'b' ? 'a and b' : undefined
}

function publisher(broker: Broker, alive: () => boolean): RabbitPublisher {
  return new RabbitPublisher({
    connect: () => connectTo(broker, alive),
    topology: 'none',
    confirmTimeoutMs: 1_000,
    connectTimeoutMs: 1_000,
    reconnect: { minDelayMs: 10, maxDelayMs: 4_000 },
  })
}
