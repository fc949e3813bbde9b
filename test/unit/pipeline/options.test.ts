import { describe, expect, test } from 'vitest'
import { createCdcPipeline } from '../../../src/pipeline/create-cdc-pipeline.js'
import { ScriptedSink, ScriptedSource, ScriptedStore } from './support/parts.js'

const create = (options: object): unknown =>
  createCdcPipeline({
    name: 'orders',
    source: new ScriptedSource(),
    sink: new ScriptedSink(),
    checkpointStore: new ScriptedStore(),
    transform: () => null,
    ...options,
  })

describe('createCdcPipeline', () => {
  test('touches nothing before the start', () => {
    const source = new ScriptedSource()
    const store = new ScriptedStore()
    create({ source, checkpointStore: store })
    expect([source.opened, store.calls]).toEqual([undefined, []])
  })

  test.each([
    [{ name: '' }, 'Expected `name` to be a string that is not empty, got an empty string'],
    [{ name: 'x'.repeat(256) }, 'Expected `name` to be at most 255 bytes long in UTF-8, got 256'],
    [{ source: {} }, 'Expected `source` to be an object with a method `open`, got an object'],
    [{ transform: 'x' }, 'Expected `transform` to be a function, got a string'],
    [{ sink: { publish: () => {} } }, 'Expected `sink` to be an object with a method `close`, got an object'],
    [{ checkpointStore: undefined }, 'Expected `checkpointStore` to be an object with a method `load`, got undefined'],
    [{ ordering: 'strict' }, 'Expected `ordering` to be one of "document", "pipelined", got "strict"'],
    [{ maxInFlight: 0 }, 'Expected `maxInFlight` to be a whole number from 1 to 1000000, got 0'],
    [{ maxInFlightBytes: 0.5 }, /Expected `maxInFlightBytes` to be a whole number from 1 to \d+, got 0.5/],
    [{ onFailedEvent: 'retry' }, 'Expected `onFailedEvent` to be one of "stop", "skip", "dead-letter", got "retry"'],
    [{ onFailedEvent: 'dead-letter' }, 'Expected `deadLetter` with `onFailedEvent: "dead-letter"`, got none'],
    [{ deadLetter: {} }, 'Expected `deadLetter.message` to be a function, got undefined'],
    [
      { deadLetter: { message: String, sink: {} } },
      /Expected `deadLetter.sink` to be an object with a method `publish`/,
    ],
    [
      { circuitBreaker: { failures: 3 } },
      'Expected `circuitBreaker.of` to be a whole number from 1 to 1000000, got undefined',
    ],
    [
      { circuitBreaker: { failures: 3, of: 2 } },
      'Expected `circuitBreaker.failures` to be a whole number from 1 to 2, got 3',
    ],
    [{ transformConcurrency: 0 }, /`transformConcurrency`/],
    [{ transformTimeoutMs: 0 }, 'Expected `transformTimeoutMs` to be a number from 1 to 2147483647, got 0'],
    [{ maxAttempts: 0 }, /`maxAttempts`/],
    [{ retry: { minDelayMs: 0 } }, /`retry.minDelayMs`/],
    [
      { retry: { minDelayMs: 5, maxDelayMs: 4 } },
      'Expected `retry.maxDelayMs` to be a whole number from 5 to 86400000, got 4',
    ],
    [{ retry: null }, /`retry`/],
    [{ checkpointIntervalMs: Number.NaN }, /`checkpointIntervalMs` .* got NaN/],
    [{ idleCheckpointIntervalMs: -1 }, /`idleCheckpointIntervalMs`/],
    [{ maxUnsavedEvents: 0 }, /`maxUnsavedEvents`/],
    [{ maxUnsavedMs: '60' }, /`maxUnsavedMs`/],
    [{ drainTimeoutMs: -1 }, 'Expected `drainTimeoutMs` to be a number from 0 to 2147483647, got -1'],
    [{ startTimeoutMs: 2 ** 31 }, /`startTimeoutMs`/],
  ])('refuses %j and says what it expected', (options, message) => {
    expect(() => create(options)).toThrow(message)
    expect(() => create(options)).toThrow(expect.objectContaining({ name: 'OptionsError', code: 'CDC_OPTION_INVALID' }))
  })

  test.each([
    { maxInflight: 5 },
    { retry: { retries: 3 } },
    { deadLetter: { message: String, queue: 'q' } },
    { circuitBreaker: { failures: 1, of: 2, windowMs: 5 } },
  ])('refuses the unknown option of %j', options => {
    expect(() => create(options)).toThrow(expect.objectContaining({ code: 'CDC_OPTION_UNKNOWN' }))
  })

  test('takes back-off with only a long first delay', () => {
    expect(() => create({ retry: { minDelayMs: 60_000 } })).not.toThrow()
  })
})
