import { inspect } from 'node:util'
import { expect, it } from 'vitest'
import { failed } from '../../../src/checkpoint/errors.js'

it.each([
  [
    13,
    'not authorized on cdc to execute command { find: "checkpoints", lsid: "SESSION" }',
    'needs `find`, `insert` and',
  ],
  [13, 'command findAndModify requires authentication', 'check user name, password and `authSource`'],
  [18, 'Authentication failed.', 'check user name, password and `authSource`'],
  [391, 'ReauthenticationRequired', 'check user name, password and `authSource`'],
])('an answer of the server with code %i is no outage: nobody waits for it at a start (%s)', (code, text, hint) => {
  const error = failed('load', 'the collection cdc.checkpoints', Object.assign(new Error(text), { code }))
  expect(error).toMatchObject({ code: 'CDC_CHECKPOINT_FAILED', retryable: false })
  expect(error.hint).toContain(hint)
  expect(error.message).toContain(hint)
  expect(inspect(error, { depth: 10, showHidden: true })).not.toContain('SESSION')
})

it('anything else may pass, and keeps its cause', () => {
  const cause = new Error('connect ECONNREFUSED')
  expect(failed('save', 'the file checkpoint.json', cause)).toMatchObject({ retryable: true, cause })
})
