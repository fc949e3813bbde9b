import { openSync, writeSync } from 'node:fs'
import type { CheckpointStore, Position, RabbitMessage, RabbitPublisher, Sink } from '../../src/index.js'
import { isCdcError } from '../../src/index.js'
import type { LogEntry } from './history.js'

/** Writes a line and returns when the kernel has it: it survives a SIGKILL of this process. */
export type Log = (entry: LogEntry) => void

export function openLog(path: string): Log {
  const file = openSync(path, 'a')
  return entry => {
    writeSync(file, `${JSON.stringify({ ...entry, at: Date.now() })}\n`)
  }
}

/** The head of all tokens of this time. */
export function headOf({ t, i }: Position['clusterTime']): string {
  return `82${hex(t)}${hex(i)}`
}

function hex(value: number): string {
  return value.toString(16).toUpperCase().padStart(8, '0')
}

function keyOf({ token, clusterTime }: Position): string {
  return (token as { _data?: string } | undefined)?._data ?? headOf(clusterTime)
}

/** The publisher, with every word on a message in the log before the pipeline hears it. */
export function recordingSink(publisher: RabbitPublisher, letter: boolean, log: Log): Sink<RabbitMessage> {
  publisher.on('connected', ({ resent }) => log({ kind: 'connected', resent }))
  publisher.on('disconnected', () => log({ kind: 'disconnected' }))
  return {
    open: options => publisher.open(options),
    close: options => publisher.close(options),
    sizeOf: message => publisher.sizeOf(message),
    health: () => publisher.health(),
    onHealth: listener => publisher.onHealth(listener),
    async publish(message, delivery) {
      const id = String(message.headers?.[letter ? 'x-cdc-event-id' : 'x-cdc-token'])
      log({ kind: 'sent', id, letter })
      try {
        await publisher.publish(message, delivery)
      } catch (error) {
        // Closed in the middle: nobody knows whether it arrived.
        const known = !isCdcError(error) || error.code !== 'CDC_PUBLISHER_CLOSED'
        if (known) log({ kind: 'rejected', id, letter })
        throw error
      }
      log({ kind: 'confirmed', id, letter })
    },
  }
}

/** The store, with every position in the log before and after it is saved. */
export function recordingStore(store: CheckpointStore, log: Log): CheckpointStore {
  return {
    ...store,
    async load(name) {
      const found = await store.load(name)
      log({ kind: 'loaded', key: found && keyOf(found.position) })
      return found
    },
    async save(checkpoint) {
      const key = keyOf(checkpoint.position)
      log({ kind: 'saving', key })
      await store.save(checkpoint)
      log({ kind: 'saved', key })
    },
  }
}
