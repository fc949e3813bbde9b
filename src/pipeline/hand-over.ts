import { type Answers, type DirectPublish, directOf } from '../direct-publish.js'
import type { Sink } from '../types.js'
import { isThenable, type Part } from './job.js'
import { notAPromise } from './refusal.js'

/** How messages are handed to the sink: by its promises, or directly where it is one of ours. */

/** Bytes of the messages; `undefined` where the sink doesn't say. Throws what `sizeOf` throws. */
export function sizeOfParts<E, M>(sink: Sink<M>, parts: readonly Part<E, M>[]): number | undefined {
  const direct = directOf(sink.publish)
  if (!direct && !sink.sizeOf) return undefined
  let bytes = 0
  for (const part of parts) bytes += direct ? prepare(direct, sink, part) : (sink.sizeOf?.(part.message) ?? 0)
  return bytes >= 0 ? bytes : undefined // not NaN, which would stick
}

/** Returns the size; what is wrong with a message is told when it is sent. */
function prepare<E, M>(direct: DirectPublish, sink: Sink<M>, part: Part<E, M>): number {
  try {
    part.prepared = direct.prepare(sink, part.message, part.delivery)
    return part.prepared.bytes
  } catch {
    return 0
  }
}

/** Sends one message; its answer comes later. Throws where the sink does. */
export function send<E, M>(sink: Sink<M>, part: Part<E, M>, answers: Answers<Part<E, M>>): void {
  const { message, delivery, prepared } = part
  const direct = directOf(sink.publish)
  part.prepared = undefined // a further attempt has a time of its own
  if (direct) {
    direct.publish(sink, prepared ?? direct.prepare(sink, message, delivery), answers, part)
    return
  }
  const sent: unknown = sink.publish(message, delivery)
  if (!isThenable(sent)) throw notAPromise()
  sent.then(
    () => answers.confirmed(part),
    error => answers.refused(part, error),
  )
}
