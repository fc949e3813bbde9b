import { readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { faultOf } from '../../faults/faults/index.js'
import { heal } from '../../faults/heal.js'
import { main } from '../../faults/nemesis.js'
import { describeFault, describeSummary } from '../../faults/report.js'
import type { Stage } from '../../faults/stage.js'

const kinds = ['a', 'b', 'c'].map(name => ({ name, side: 'data' }))
const came = (kind: string) => ({ kind, atMs: 0, tookMs: 5 })
const broken = { ...came('b'), error: 'Error: it broke' }

describe('the last lines', () => {
  it('count only faults that came about, and name those that did not', () => {
    const text = describeSummary({ seeds: 1, failed: 0, unchecked: 0 }, kinds, [came('a'), came('a'), broken], false)
    expect(text).toBe('1 of 1 seeds ok, 2 faults of 1 kinds\nfaults: 2 × a\ndid not come about: b')
    expect(describeFault(broken)).not.toContain('FAILED')
  })

  it('tell a broken guarantee from a run that could not be checked, and over several seeds what was not reached', () => {
    const text = describeSummary({ seeds: 5, failed: 1, unchecked: 2 }, kinds, [came('a')], true)
    expect(text).toBe(
      '2 of 5 seeds ok, 1 FAILED, 2 could not be checked, 1 faults of 1 kinds\nfaults: 1 × a\nnot reached: b, c',
    )
  })
})

describe('a run that the harness could not finish', () => {
  const signals = ['SIGINT', 'SIGTERM'] as const
  const before = signals.map(signal => process.listeners(signal))
  afterEach(() => {
    vi.restoreAllMocks()
    signals.forEach((signal, i) => {
      for (const one of process.listeners(signal)) if (!before[i]?.includes(one)) process.off(signal, one)
    })
  })

  it('is no violation: it says so, keeps its plan, and ends with 1', async () => {
    let said = ''
    vi.spyOn(process.stdout, 'write').mockImplementation(chunk => {
      said += chunk
      return true
    })
    const startServices = () => Promise.reject(new Error('no servers'))
    const tools = { startServices, tcpProxy: vi.fn(), bundle: async () => 'child.mjs' }
    expect(await main(['--seed', '3'], tools as never)).toBe(1)
    vi.restoreAllMocks()
    expect(said).toContain('seed 3: could not check: Error: no servers')
    expect(said).toContain('again: npm run test:faults -- --seed 3 --minutes 1')
    expect(said).toContain('0 of 1 seeds ok, 1 could not be checked, 0 faults of 0 kinds')
    expect(said).not.toMatch(/FAILED|not reached/)
    const folder = /kept in (.+)/.exec(said)?.[1] as string
    const { plan, error } = JSON.parse(readFileSync(join(folder, 'plan.json'), 'utf8'))
    rmSync(folder, { recursive: true })
    expect({ seed: plan.seed, error }).toEqual({ seed: 3, error: 'Error: no servers' })
  })
})

it('what a failed fault did not leave behind need not be healed', async () => {
  const asked: string[] = []
  const rabbitmqctl = async (command: string): Promise<void> => {
    asked.push(command)
    if (command.startsWith('clear_')) throw new Error('Parameter does not exist')
  }
  const mongo = { nodes: [], primary: async () => undefined }
  const world = { mongo, mongoProxies: [], amqpProxy: {}, rabbit: { rabbitmqctl }, vhost: { name: 'v' } }
  const grant = async () => void asked.push('grant')
  const child = { thaw: vi.fn(), ask: vi.fn(), start: vi.fn() }
  await heal({ ...world, grant } as never, child as never, [broken])
  expect(asked.slice(-3)).toEqual(['clear_vhost_limits', 'clear_policy', 'grant'])
})

describe.each([
  ['reads are killed', { opid: 7, command: { getMore: 1 } }, { killOp: 1, op: 7 }],
  ['cursors are killed', { ns: 'd.c', cursor: { cursorId: 9 } }, { killCursors: 'c', cursors: [9] }],
])('the fault "%s"', (kind, operation, kill) => {
  it('looks for one while the pipeline has none just now', async () => {
    let looks = 0
    const sent: unknown[] = []
    const toArray = async () => (++looks < 6 ? [] : [operation])
    const db = () => ({ aggregate: () => ({ toArray }), command: async (command: unknown) => void sent.push(command) })
    await faultOf(kind).run({ world: { admin: { db } }, lengthMs: 4 } as unknown as Stage)
    expect(sent[0]).toEqual(kill)
  })
})
