import { promisify } from 'node:util'
import { brotliCompress, constants, deflate, gzip } from 'node:zlib'
import { TransformError } from '../errors.js'
import { markFactory } from '../factories.js'
import { assertInteger, assertKnown, assertOneOf } from '../options.js'
import type { RabbitMessage } from '../types.js'

/** Options of {@link compress}. */
export interface CompressOptions {
  /** `gzip`, `brotli` (smallest) or `deflate` (with a zlib header, as HTTP has it). @default 'gzip' */
  readonly algorithm?: 'gzip' | 'brotli' | 'deflate'
  /**
   * Bodies below this many bytes go out as they are, from 0 to 2^31: small ones gain nothing, and stay synchronous.
   * @default 1024
   */
  readonly thresholdBytes?: number
}

/** Brotli's own default, 11, takes a hundred times as long for a few percent. */
const BROTLI = { params: { [constants.BROTLI_PARAM_QUALITY]: 4 } }

const brotliOf = promisify(brotliCompress)

/** The content encodings have HTTP's names: consumers know them. */
const ALGORITHMS = {
  gzip: { contentEncoding: 'gzip', run: promisify<Uint8Array, Buffer>(gzip) },
  deflate: { contentEncoding: 'deflate', run: promisify<Uint8Array, Buffer>(deflate) },
  brotli: { contentEncoding: 'br', run: (bytes: Uint8Array): Promise<Buffer> => brotliOf(bytes, BROTLI) },
} as const

/**
 * Compresses messages: the step after a message shape. Works in Node's thread pool, so that the event loop goes on; at
 * most `transformConcurrency` at once, order per document is kept by the pipeline. A body that is below
 * the threshold, has a content encoding already, or wouldn't become smaller goes out as it is: consumers look at
 * `content_encoding` of each message.
 *
 * @throws OptionsError `CDC_OPTION_INVALID`, `CDC_OPTION_UNKNOWN`. The returned function throws TransformError
 * `CDC_ENCODE_FAILED`.
 *
 * @example
 * import { changeEventMessage, compress, pipe } from 'mongo-rabbit-cdc'
 *
 * const transform = pipe(changeEventMessage(), compress({ algorithm: 'brotli', thresholdBytes: 4096 }))
 */
export function compress(
  options: CompressOptions = {},
): (message: RabbitMessage) => RabbitMessage | Promise<RabbitMessage> {
  assertKnown('compress', options, ['algorithm', 'thresholdBytes'])
  const algorithm = assertOneOf('algorithm', options.algorithm ?? 'gzip', ['gzip', 'brotli', 'deflate'])
  const thresholdBytes = assertInteger('thresholdBytes', options.thresholdBytes ?? 1024, 0, 2 ** 31)
  const { contentEncoding, run } = ALGORITHMS[algorithm]

  return function compressed(message) {
    if (!(message?.body instanceof Uint8Array)) throw notAMessage()
    if (message.body.byteLength < thresholdBytes || message.contentEncoding !== undefined) return message
    return run(message.body).then(
      body => (body.byteLength < message.body.byteLength ? { ...message, body, contentEncoding } : message),
      (error: unknown) => {
        throw new TransformError('CDC_ENCODE_FAILED', `The body could not be compressed with ${algorithm}`, {
          cause: error,
        })
      },
    )
  }
}

markFactory('compress', compress)

function notAMessage(): TransformError {
  return new TransformError('CDC_ENCODE_FAILED', 'Expected a message with a Uint8Array as `body`, got something else', {
    hint: 'put `compress` behind the message shape',
  })
}
