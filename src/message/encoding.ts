import { isCdcError, OptionsError, TransformError } from '../errors.js'
import { assertBoolean, assertKnown, assertMethods, assertOneOf, assertText } from '../options.js'
import type { Encoder } from '../types.js'
import { type EjsonMode, ejsonBytes } from './ejson-encoder.js'
import { decodedBody, ejsonBody, type MessageBody } from './message-body.js'

/** Options of {@link ejsonEncoder}. */
export interface EjsonEncoderOptions {
  /** How values are written, see docs/messages.md. @default 'relaxed' */
  readonly mode?: EjsonMode
}

/**
 * Bodies in MongoDB Extended JSON v2: what the message shapes use by themselves.
 *
 * @throws OptionsError `CDC_OPTION_INVALID`, `CDC_OPTION_UNKNOWN`. `encode` throws TransformError `CDC_ENCODE_FAILED`.
 */
export function ejsonEncoder(options: EjsonEncoderOptions = {}): Encoder {
  assertKnown('ejsonEncoder', options, ['mode'])
  const mode = assertOneOf('mode', options.mode ?? 'relaxed', ['relaxed', 'canonical'])
  const encoder: Encoder = {
    contentType: 'application/json',
    needsExactTypes: mode === 'canonical',
    encode: body => ejsonBytes(body, mode),
  }
  modes.set(encoder, mode)
  return encoder
}

/** Our own encoders: what they get need not be decoded. */
const modes = new WeakMap<Encoder, EjsonMode>()

/** An encoder with its properties read once, and with results that are bytes or an error. */
export interface CheckedEncoder extends Pick<Encoder, 'contentType' | 'contentEncoding'> {
  readonly needsExactTypes: boolean
  encode(body: MessageBody): Uint8Array
}

/**
 * The encoder that the options of a shape ask for.
 *
 * @throws OptionsError `CDC_OPTION_INVALID` for both options at once and for what is no encoder
 */
export function encoderOf(options: {
  readonly ejson?: EjsonMode | undefined
  readonly encoder?: Encoder | undefined
}): CheckedEncoder {
  const { ejson, encoder = ejsonEncoder() } = options
  if (ejson === undefined) return checked(encoder)
  if (options.encoder !== undefined) {
    throw new OptionsError('CDC_OPTION_INVALID', 'Expected one of `ejson` and `encoder`, got both')
  }
  assertOneOf('ejson', ejson, ['relaxed', 'canonical'])
  return checked(ejsonEncoder({ mode: ejson }))
}

function checked(encoder: Encoder): CheckedEncoder {
  assertMethods('encoder', encoder, ['encode'])
  const { contentType, contentEncoding, needsExactTypes = false } = encoder
  assertText('encoder.contentType', contentType, 255)
  if (contentEncoding !== undefined) assertText('encoder.contentEncoding', contentEncoding, 255)
  assertBoolean('encoder.needsExactTypes', needsExactTypes)

  const mode = modes.get(encoder)

  function encode(body: MessageBody): Uint8Array {
    if (mode !== undefined) return ejsonBody(body, mode)
    let bytes: unknown
    try {
      bytes = encoder.encode(decodedBody(body))
    } catch (error) {
      throw isCdcError(error) ? error : encoderThrew(error)
    }
    if (bytes instanceof Uint8Array) return bytes
    throw new TransformError(
      'CDC_ENCODE_FAILED',
      `Expected \`encoder.encode\` to return a Uint8Array, got ${kindOf(bytes)}`,
    )
  }
  return { contentType, needsExactTypes, encode, ...(contentEncoding !== undefined && { contentEncoding }) }
}

function encoderThrew(error: unknown): TransformError {
  const retryable = (error as { retryable?: unknown } | null | undefined)?.retryable === true
  return new TransformError('CDC_ENCODE_FAILED', 'The encoder threw, see `cause`', { cause: error, retryable })
}

/** Never the value: it is a document. */
function kindOf(value: unknown): string {
  if (value === null || value === undefined) return String(value)
  if (typeof value !== 'object') return `a ${typeof value}`
  if ('then' in value) return 'a promise'
  return Array.isArray(value) ? 'an array' : 'an object'
}
