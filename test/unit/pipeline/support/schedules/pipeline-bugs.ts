import { vi } from 'vitest'
import { InFlight } from '../../../../../src/pipeline/in-flight.js'
import { Lanes } from '../../../../../src/pipeline/lanes.js'
import { Turns } from '../../../../../src/pipeline/turns.js'
import type { CheckpointStore, RabbitMessage, Sink, Source } from '../../../../../src/types.js'
import type { Change } from './change.js'
import type { Bug, Options } from './game.js'
import type { Setup } from './schedule.js'

/** A bug that somebody could make, and the invariants of which one has to notice it. */
export interface PlantedBug extends Bug {
  readonly noticedBy: RegExp
  /** The set-up in which it can show. */
  readonly within?: Partial<Setup>
  /** Patches a class; undone by `vi.restoreAllMocks()`. */
  readonly patch?: () => void
}

/** Everything the pipeline can do wrong, each in a few lines, outside of `src`. */
export const pipelineBugs: Readonly<Record<string, PlantedBug>> = {
  'the position is saved on receipt': {
    noticedBy: /^I5/,
    spoil: (options, { stream }) =>
      withStore(options, ({ save, ...store }) => ({
        ...store,
        save: checkpoint => {
          const clusterTime = { t: Math.max(checkpoint.position.clusterTime.t, stream.cursor), i: 0 }
          return save({ ...checkpoint, position: { ...checkpoint.position, clusterTime } })
        },
      })),
  },
  'a mark moves the position past what is in flight': {
    noticedBy: /^I5/,
    spoil: options => {
      let mark = 0
      const { source } = options
      const marking: Source<Change> = {
        ...source,
        open: async function* (opening) {
          for await (const batch of source.open(opening)) {
            for (const { event, position } of batch) if (!event) mark = position.clusterTime.t
            yield batch
          }
        },
      }
      return withStore({ ...options, source: marking }, ({ save, ...store }) => ({
        ...store,
        save: checkpoint => {
          const clusterTime = { t: Math.max(checkpoint.position.clusterTime.t, mark), i: 0 }
          return save({ ...checkpoint, position: { ...checkpoint.position, clusterTime } })
        },
      }))
    },
  },
  'an older position is saved after a newer one': {
    noticedBy: /^I6/,
    spoil: options => {
      let saves = 0
      return withStore(options, ({ save, ...store }) => ({
        ...store,
        save: async checkpoint => {
          await save(checkpoint)
          saves += 1
          const { position } = checkpoint
          const clusterTime = { t: position.clusterTime.t - 1, i: 0 }
          if (saves === 3) await save({ ...checkpoint, position: { ...position, clusterTime } })
        },
      }))
    },
  },
  'a nack is taken for an ack': {
    noticedBy: /^I[15]/,
    spoil: options =>
      withSink(options, sink => ({
        publish: (message, delivery) =>
          sink.publish(message, delivery).catch(error => {
            if ((error as { reason?: unknown }).reason !== 'nack') throw error
          }),
      })),
  },
  'a refused message is forgotten': {
    noticedBy: /^I9/,
    spoil: options =>
      withSink(options, sink => ({
        publish: (message, delivery) => sink.publish(message, delivery).catch(() => new Promise(() => {})),
      })),
  },
  'a dead letter is not waited for': {
    noticedBy: /^I[15]/,
    spoil: options => ({
      ...options,
      deadLetter: {
        ...options.deadLetter!,
        sink: {
          publish: async (message, delivery) => void options.sink.publish(message, delivery).catch(() => undefined),
          close: async () => {},
        },
      },
    }),
  },
  'a failed event is skipped without a word': {
    noticedBy: /^I[15]/,
    spoil: ({ transform, ...options }) => ({
      ...options,
      transform: (change, context) => {
        try {
          return transform(change, context)
        } catch {
          return null
        }
      },
    }),
  },
  'events of a document do not wait for each other': {
    noticedBy: /^I3/,
    patch: () => {
      vi.spyOn(Lanes.prototype, 'add').mockImplementation(item => [item])
      vi.spyOn(Lanes.prototype, 'finish').mockReturnValue([])
    },
  },
  'a barrier holds nobody up': {
    noticedBy: /^I3/,
    spoil: options => ({ ...options, ordering: ({ key, name }) => (key === undefined ? name : key) }),
  },
  'who transforms faster is published first': {
    noticedBy: /^I3/,
    within: { ordering: 'pipelined' },
    patch: () => {
      vi.spyOn(Turns.prototype, 'ready').mockImplementation(item => [item])
      vi.spyOn(Turns.prototype, 'leave').mockReturnValue([])
    },
  },
  'each copy has an id of its own': {
    noticedBy: /^I12/,
    spoil: options => {
      let copies = 0
      return withSink(options, sink => ({
        publish: (message, delivery) => {
          copies += 1
          return sink.publish(message, { id: `${delivery?.id}-${copies}` })
        },
      }))
    },
  },
  'messages are sent twice': {
    noticedBy: /^I(7|11)/,
    spoil: options =>
      withSink(options, sink => ({
        publish: (message, delivery) => {
          sink.publish(message, delivery).catch(() => undefined)
          return sink.publish(message, delivery)
        },
      })),
  },
  'a message is made up': {
    noticedBy: /^I2/,
    spoil: ({ transform, ...options }) => ({
      ...options,
      transform: (change, context) =>
        change.nature === 'filtered'
          ? { body: Buffer.from(`${change.name}/0`), routingKey: 'key' }
          : transform(change, context),
    }),
  },
  'everything is read at once': {
    noticedBy: /^I8/,
    patch: () => vi.spyOn(InFlight.prototype, 'hasRoom').mockReturnValue(true),
  },
  'a save that was acknowledged is lost': {
    noticedBy: /^I(7|9|11)/,
    spoil: options => {
      let saves = 0
      return withStore(options, ({ save, ...store }) => ({
        ...store,
        save: async checkpoint => {
          saves += 1
          if (saves % 2 === 1) await save(checkpoint)
        },
      }))
    },
  },
  'a stop waits for everybody': {
    noticedBy: /^I10/,
    spoil: options => ({ ...options, drainTimeoutMs: 100_000 }),
  },
  'a pipeline does not go on after a pause': {
    noticedBy: /^I9/,
    wrap: pipeline => Object.assign(pipeline, { resume: async () => {} }),
  },
}

function withStore(options: Options, wrap: (store: CheckpointStore) => CheckpointStore): Options {
  return { ...options, checkpointStore: wrap(options.checkpointStore) }
}

function withSink(
  options: Options,
  wrap: (sink: Sink<RabbitMessage>) => Pick<Sink<RabbitMessage>, 'publish'>,
): Options {
  const { sink } = options
  const wrapped: Sink<RabbitMessage> = Object.create(sink, { publish: { value: wrap(sink).publish } })
  // Private members are found through the real one only.
  for (const name of ['open', 'close', 'health', 'onHealth', 'sizeOf'] as const) {
    const own = sink[name] as ((...given: never[]) => unknown) | undefined
    Object.defineProperty(wrapped, name, { value: own?.bind(sink) })
  }
  return { ...options, sink: wrapped }
}
