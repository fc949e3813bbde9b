import { afterEach, describe, expect, test, vi } from 'vitest'
import { stopOnSignals } from '../../../src/pipeline/stop-on-signals.js'
import { startedBench } from './support/bench.js'
import { settle } from './support/parts.js'
import { record } from './support/records.js'

const SIGNALS = ['SIGUSR2', 'SIGWINCH'] as const
const counts = (): number[] => SIGNALS.map(signal => process.listenerCount(signal))

afterEach(() => {
  vi.restoreAllMocks()
})

describe('stopOnSignals', () => {
  test('stops at the first signal, and removes its listeners when the pipeline has ended', async () => {
    const before = counts()
    const { pipeline, give, sink } = await startedBench()
    stopOnSignals(pipeline, { signals: SIGNALS })
    await give(record(1))
    process.emit('SIGUSR2')
    expect(pipeline.state).toBe('stopping')
    await sink.sent[0]!.ack()
    await pipeline.done
    expect(pipeline.state).toBe('stopped')
    expect(counts()).toEqual(before)
  })

  test('ends without waiting at the second signal, whichever it is', async () => {
    const { pipeline, give } = await startedBench()
    stopOnSignals(pipeline, { signals: SIGNALS })
    await give(record(1))
    process.emit('SIGUSR2')
    process.emit('SIGWINCH')
    await pipeline.done
    expect(await pipeline.stop()).toEqual({ drained: false, unconfirmed: 1 })
  })

  test.each([
    ['0 after a stop', 0],
    ['1 after a failure', 1],
  ])('with `exit` ends the process: %s', async (_, code) => {
    const exit = vi.spyOn(process, 'exit').mockReturnValue(undefined as never)
    const { pipeline, give, sink } = await startedBench()
    stopOnSignals(pipeline, { signals: SIGNALS, exit: true })
    const done = pipeline.done.catch(() => {})
    await give(record(1))
    process.emit('SIGUSR2')
    if (code === 0) await sink.sent[0]!.ack()
    else await sink.sent[0]!.refuse({ retryable: false })
    await done
    await settle()
    expect(exit.mock.calls).toEqual([[code]])
  })

  test.each([
    ['stopped', 0],
    ['failed', 1],
  ] as const)(
    'leaves no listener, and with `exit` ends the process, where the pipeline has %s already',
    async (state, code) => {
      const exit = vi.spyOn(process, 'exit').mockReturnValue(undefined as never)
      const before = counts()
      const { pipeline, give, sink } = await startedBench()
      const done = pipeline.done.catch(() => {})
      await give(record(1))
      if (code === 1) await sink.sent[0]!.refuse({ retryable: false })
      else await sink.sent[0]!.ack()
      if (code === 0) await pipeline.stop()
      await done
      expect(pipeline.state).toBe(state)
      stopOnSignals(pipeline, { signals: SIGNALS })()
      await settle()
      expect(exit).not.toHaveBeenCalled()
      stopOnSignals(pipeline, { signals: SIGNALS, exit: true })
      expect(counts()).toEqual(before)
      await settle()
      expect(exit.mock.calls).toEqual([[code]])
    },
  )

  test('can be undone', async () => {
    const before = counts()
    const { pipeline } = await startedBench()
    const undo = stopOnSignals(pipeline, { signals: SIGNALS })
    undo()
    expect(counts()).toEqual(before)
    await pipeline.stop()
  })

  test('listens to SIGTERM and SIGINT unless told otherwise, and refuses an empty list', async () => {
    const { pipeline } = await startedBench()
    const before = process.listenerCount('SIGTERM') + process.listenerCount('SIGINT')
    const undo = stopOnSignals(pipeline)
    expect(process.listenerCount('SIGTERM') + process.listenerCount('SIGINT')).toBe(before + 2)
    undo()
    expect(() => stopOnSignals(pipeline, { signals: [] })).toThrow('`signals`')
    await pipeline.stop()
  })
})
