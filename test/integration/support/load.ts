import type { Collection, Document } from 'mongodb'
import { sleep } from '../../../src/waiting.js'

/** How to write. */
export interface LoadOptions {
  /** Documents that are written again and again. @default 40 */
  readonly documents?: number
  /** Between two writes, in milliseconds. @default 2 */
  readonly everyMs?: number
  /** Bytes of text in each document. @default 20 */
  readonly bytes?: number
}

/**
 * Writes until it is stopped: inserts, updates, replacements and deletes of a few documents, one after the other.
 * While MongoDB is away it goes on trying.
 */
export class Load {
  readonly #end = new AbortController()
  readonly #running: Promise<void>
  /** Writes that MongoDB has acknowledged. */
  written = 0
  /** Writes that failed; they may have been made all the same. */
  failed = 0

  constructor(collections: readonly Collection[], options: LoadOptions = {}) {
    this.#running = this.#run(collections, options)
  }

  /** Resolves with the number of writes when the last one is through. */
  async stop(): Promise<number> {
    this.#end.abort()
    await this.#running
    return this.written
  }

  async #run(
    collections: readonly Collection[],
    { documents = 40, everyMs = 2, bytes = 20 }: LoadOptions,
  ): Promise<void> {
    const { signal } = this.#end
    const text = 'x'.repeat(bytes)
    for (let n = 0; !signal.aborted; n++) {
      const collection = collections[n % collections.length] as Collection
      try {
        await write(collection as unknown as Collection<{ _id: number }>, (n * 7) % documents, n, text)
        this.written += 1
      } catch {
        this.failed += 1
      }
      // The pace of the writers is the load: nothing is waited for here.
      await sleep(everyMs, signal).catch(() => {})
    }
  }
}

async function write(collection: Collection<{ _id: number } & Document>, _id: number, n: number, text: string) {
  if (n % 11 === 10) await collection.deleteOne({ _id })
  else if (n % 7 === 6) await collection.replaceOne({ _id }, { n, text, replaced: true }, { upsert: true })
  else await collection.updateOne({ _id }, { $set: { n, text } }, { upsert: true })
}
