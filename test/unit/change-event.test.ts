import { describe, expect, it } from 'vitest'
import {
  changeEventMessage,
  onlyNamespaces,
  onlyOperations,
  outboxRouter,
  pipe,
  splitArray,
  whenChanged,
} from '../../src/index.js'
import { insertEvent } from './message/events.js'

describe('a step for change events', () => {
  it.each<[string, (event: never) => unknown]>([
    ['onlyOperations', onlyOperations('insert')],
    ['onlyNamespaces', onlyNamespaces('shop.orders')],
    ['whenChanged', whenChanged('total')],
    ['splitArray', splitArray('lines') as never],
    ['outboxRouter', outboxRouter()],
  ])('fails behind a message shape, where it would do nothing or drop everything: %s', (_, step) => {
    const wrong = pipe(changeEventMessage(), step as never) as (event: typeof insertEvent) => unknown
    const failed = { code: 'CDC_TRANSFORM_FAILED', hint: expect.stringContaining('message shapes come last') }
    expect(() => wrong(insertEvent)).toThrow(expect.objectContaining(failed))
  })
})
