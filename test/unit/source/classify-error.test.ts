import { inspect } from 'node:util'
import { MongoNetworkError } from 'mongodb'
import { describe, expect, it } from 'vitest'
import { SourceError } from '../../../src/errors.js'
import { classifySourceError } from '../../../src/source/classify-error.js'
import { serverError } from './support.js'

describe('an error of the server', () => {
  it.each([
    [
      'retry',
      'CDC_SOURCE_UNAVAILABLE',
      [43, 50, 8, 11601, 11600, 11602, 91, 189, 262, 234, 6, 7, 89, 133, 237, 10107, 1],
    ],
    ['retry', 'CDC_SOURCE_UNAVAILABLE', [13435, 13436, 9001, 63, 150, 13388, 94, 112, 211, 314, 999_999]],
    ['history', 'CDC_HISTORY_LOST', [286, 136]],
    ['refused', 'CDC_SOURCE_UNAUTHORIZED', [13]],
    ['refused', 'CDC_SOURCE_AUTH_FAILED', [18, 391]],
    ['fatal', 'CDC_NOT_REPLICA_SET', [40573]],
    ['fatal', 'CDC_WATCH_INVALID', [166, 73, 20, 40324, 9, 14, 15, 2, 168, 16020, 31254]],
    ['fatal', 'CDC_IMAGE_MISSING', [47]],
    ['tooLarge', 'CDC_EVENT_TOO_LARGE', [10334]],
    ['fatal', 'CDC_POSITION_INVALID', [260, 40647, 40649, 50795, 50796, 50810, 50811, 50816, 50865, 51057, 207, 40674]],
  ] as const)('means "%s" with %s for the codes %j', (action, name, codes) => {
    for (const code of codes) {
      const verdict = classifySourceError(serverError(code))
      expect([code, verdict.action, verdict.error.code]).toEqual([code, action, name])
      expect(verdict.error.retryable).toBe(action === 'retry')
      expect(verdict.error).toBeInstanceOf(SourceError)
    }
  })

  it('tells by its text whether 280 is about the position or about a lost `_id`', () => {
    const notFound = 'cannot resume stream; the resume token was not found. {_data: "8265"}'
    const lost =
      'Encountered an event whose _id field, which contains the resume token, was modified by the pipeline. Modifying the _id field of an event makes it impossible to resume the stream from that point. Only transformations that retain the unmodified _id field are allowed. Expected: { _id: { _data: "8265" } } but found: { _id: 5 }'
    expect(classifySourceError(serverError(280, notFound))).toMatchObject({ action: 'notFound' })
    const verdict = classifySourceError(serverError(280, lost))
    expect(verdict).toMatchObject({ action: 'fatal', error: { code: 'CDC_EVENT_ID_LOST' } })
    expect(verdict.error.message).not.toContain('8265')
  })

  it('tells by its text whether a parse error is about the token or about the watch', () => {
    const aboutToken = [
      'resume token string was not a valid hex string',
      'KeyString format error: Expected version 1',
      'Invalid advance (1) past end of buffer[0] at offset: 0',
    ]
    for (const text of aboutToken) {
      for (const code of [9, 15, 99_999]) {
        expect(classifySourceError(serverError(code, text)).error.code).toBe('CDC_POSITION_INVALID')
      }
    }
    expect(classifySourceError(serverError(9, 'unknown operator: $foo')).error.code).toBe('CDC_WATCH_INVALID')
  })
})

it.each([
  ['a plain error', new Error('write ECONNRESET')],
  ['a socket error', Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET' })],
  ['a network error of the driver', new MongoNetworkError('connection 3 to 127.0.0.1:1 closed')],
  ['a programming error', new TypeError('x is not a function')],
  ['a range error', new RangeError('out of range')],
  ['a string', 'what?'],
  ['nothing', undefined],
  ['null', null],
  ['an object', {}],
])('tries again after %s', (_, error) => {
  expect(classifySourceError(error)).toMatchObject({ action: 'retry', error: { code: 'CDC_SOURCE_UNAVAILABLE' } })
})

it('passes our own errors on as they are', () => {
  const passing = new SourceError('CDC_SOURCE_UNAVAILABLE', 'x', { retryable: true })
  expect(classifySourceError(passing)).toEqual({ action: 'retry', error: passing })
  const lasting = new SourceError('CDC_POSITION_FOREIGN', 'x')
  expect(classifySourceError(lasting)).toEqual({ action: 'fatal', error: lasting })
})

it.each([13, 18, 391, 334])('tells of the access error %i neither session nor signature', code => {
  const text = `not authorized on shop to execute command { aggregate: 1, lsid: { id: UUID("5ec7e7") }, $clusterTime: { signature: { hash: "5ec7e7" } } }`
  const { error } = classifySourceError(serverError(code, text))
  expect(inspect(error, { depth: 9, showHidden: true })).not.toMatch(/5ec7e7|lsid|signature/)
  expect(error.message).toContain(`Name${code}`)
  expect(error.hint).toBeTruthy()
})

it.each([280, 47, 10334, 286])('quotes neither token nor document in the message of error %i', code => {
  const text = `it went wrong for event: { _id: { _data: "8265AB5EC7E7" }, documentKey: { _id: "card 5ec7e7" } }`
  const { error } = classifySourceError(serverError(code, text))
  expect(error.message).toContain('it went wrong for event')
  expect(error.message).not.toMatch(/5ec7e7/i)
})

describe('what a document holds', () => {
  const text = `Executor error during getMore :: caused by :: Failed to parse number 'TOPSECRET' in $convert`

  it.each([241, 1, 8, 2, 14, 424_242])('stands nowhere in the error with the code %i', code => {
    const { error } = classifySourceError(serverError(code, text))
    expect(inspect(error, { depth: 9, showHidden: true })).not.toContain('TOPSECRET')
    expect(error.message).toContain(`Name${code} (${code})`)
  })

  it('does not decide what an error is about', () => {
    const quoting = serverError(424_242, `Executor error :: caused by :: Failed on 'the resume token KeyString'`)
    expect(inspect(classifySourceError(quoting).error)).not.toContain('on the')
    expect(classifySourceError(serverError(241, `'resume token'`)).error.code).toBe('CDC_WATCH_INVALID')
  })

  it('is not quoted by the first element of what is too large', () => {
    const large = 'BSONObj size: 16793700 (0x1004064) is invalid. First element: card: "TOPSECRET"'
    const { error } = classifySourceError(serverError(10334, large))
    expect(error.message).toContain('BSONObj size: 16793700')
    expect(inspect(error, { depth: 9, showHidden: true })).not.toContain('TOPSECRET')
  })
})

it('refuses a stage that fails on the value of an event, since trying again would never end', () => {
  const verdict = classifySourceError(serverError(241, `Failed to parse number 'x' in $convert`))
  expect([verdict.action, verdict.error.code]).toEqual(['refused', 'CDC_WATCH_INVALID'])
  expect(verdict.error.hint).toContain('onError')
})

it.each([13, 18, 280, 47, 10334, 286, 2, 241, 189, 260])(
  'gives as cause of error %i its name and code, but no session, signature, token or document',
  code => {
    const secrets = { lsid: '5ec7e7', $clusterTime: { signature: '5ec7e7' } }
    const text = 'it went wrong for event: { _id: { _data: "82AB5EC7E7" }, x: "5ec7e7" }, and "5ec7e7"'
    const thrown = Object.assign(serverError(code, code === 2 ? 'unknown operator: $x' : text), secrets, {
      name: 'MongoServerError',
      errorResponse: { errmsg: text, ...secrets },
    })
    const { error } = classifySourceError(thrown)
    expect(error.cause).toBeInstanceOf(Error)
    expect(error.cause).toMatchObject({ name: 'MongoServerError', code, codeName: `Name${code}` })
    expect(inspect(error, { depth: 9, showHidden: true })).not.toMatch(/5ec7e7/i)
  },
)

it('leaves the errors of the network and of the program as they are', () => {
  for (const thrown of [new MongoNetworkError('connection 3 to 127.0.0.1:1 closed'), new TypeError('x is { no }')]) {
    const { error } = classifySourceError(thrown)
    expect(error.cause).toBe(thrown)
    expect(error.message).toContain(thrown.message.slice(0, 4))
  }
})

it('takes an assertion of the server without a name for a wrong watch, which it is at the start', () => {
  const error = Object.assign(new Error('Unrecognized expression'), { code: 16999, codeName: 'Location16999' })
  const verdict = classifySourceError(error)
  expect([verdict.action, verdict.error.code]).toEqual(['refused', 'CDC_WATCH_INVALID'])
})

it('never tries again what the decoder of the driver refuses', () => {
  const error = Object.assign(new Error('Invalid UTF-8 string in BSON document'), { name: 'BSONError' })
  expect(classifySourceError(error)).toMatchObject({ action: 'fatal', error: { code: 'CDC_EVENT_UNDECODABLE' } })
})

it('knows a wrong password behind the one code that Atlas has for many things', () => {
  const refused = Object.assign(new Error('bad auth : authentication failed'), { code: 8000, codeName: 'AtlasError' })
  expect(classifySourceError(refused).error.code).toBe('CDC_SOURCE_AUTH_FAILED')
  const other = Object.assign(new Error('you are over your limit'), { code: 8000, codeName: 'AtlasError' })
  expect(classifySourceError(other).action).toBe('retry')
})
