import { inspect } from 'node:util'
import { expect, it } from 'vitest'
import { failed } from '../../../src/checkpoint/errors.js'

it.each([13, 18, 391])('an answer of the server with code %i is no outage: nobody waits for it at a start', code => {
  const text = 'not authorized on cdc to execute command { find: "checkpoints", lsid: "SESSION" }'
  const error = failed('load', 'the collection cdc.checkpoints', Object.assign(new Error(text), { code }))
  expect(error).toMatchObject({ code: 'CDC_CHECKPOINT_FAILED', retryable: false })
  expect(error.message).toContain('`find`, `insert` and `update`')
  expect(inspect(error, { depth: 10, showHidden: true })).not.toContain('SESSION')
})

it('anything else may pass, and keeps its cause', () => {
  const cause = new Error('connect ECONNREFUSED')
  expect(failed('save', 'the file checkpoint.json', cause)).toMatchObject({ retryable: true, cause })
})
