import { settledWithin, sleep } from '../../../src/waiting.js'
import type { PipelineChild } from '../pipeline-child.js'
import { isReady } from '../recovery.js'
import { family } from '../stage.js'

/** The next fault shall meet a pipeline that runs; with MongoDB or RabbitMQ away it may not come to that. */
async function startAgain(child: PipelineChild): Promise<void> {
  const lines = child.log().length
  child.start()
  await settledWithin(isReady(child, lines), 10_000)
}

/** The process of the pipeline. A second instance under a lease belongs here, too. */
export const pipelineProcess = family('process', {
  'the process is killed': async ({ child, random }) => {
    await child.kill()
    await sleep(random.between(0, 1_500))
    await startAgain(child)
  },
  'the process is killed again and again': async ({ child, random }) => {
    for (let i = 0; i < 3; i++) {
      await child.kill()
      child.start()
      // Also in the middle of its start.
      await sleep(random.between(200, 1_500))
    }
    await child.kill()
    await startAgain(child)
  },
  'the process is stopped cleanly': async ({ child, random }) => {
    await child.terminate()
    await sleep(random.between(0, 1_000))
    await startAgain(child)
  },
  'the process freezes': async stage => {
    stage.child.freeze()
    try {
      await stage.last()
    } finally {
      stage.child.thaw()
    }
  },
  'the pipeline is paused': async stage => {
    stage.child.ask({ ask: 'pause' })
    await stage.last()
    stage.child.ask({ ask: 'resume' })
  },
})

export const transforms = family('transform', {
  'transforms throw for a while': async stage => {
    stage.child.ask({ ask: 'mischief', mischief: { what: 'throws', share: 0.4, ms: stage.lengthMs } })
    await stage.last()
  },
  'transforms hang': async stage => {
    stage.child.ask({ ask: 'mischief', mischief: { what: 'hangs', share: 0.03, ms: stage.lengthMs } })
    await stage.last()
  },
})

export const data = family('data', {
  'a huge transaction': ({ writers }) => writers.transaction(3_000),
  'a burst': ({ writers }) => writers.burst(800),
  'events that fail for good': ({ writers }) => writers.poison(),
})
