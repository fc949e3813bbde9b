// Catching up on W: inserted documents of 1 KB, one durable queue, persistent, confirmed.

import { loadInserts } from '../backlog.mjs'
import { debeziumContenders } from '../debezium-server.mjs'
import { median, ratios } from '../figures.mjs'
import { inTurns } from '../jobs.mjs'
import { fetchPeer } from '../peer.mjs'
import { printFigures, printGoals } from '../report.mjs'
import { PEER } from '../versions.mjs'

export const title = 'Catch-up, workload W'

const QUORUM = { queueType: 'quorum' }

export async function run(bench) {
  const contenders = await contendersOf(bench)
  const results = await inTurns(bench, contenders)
  bench.capacity = median(results.ours.map(({ perSecond }) => perSecond))
  printFigures(contenders, results)
  printGoals(goalsOf(results))
}

async function contendersOf(bench) {
  const { database, events, naive, counting } = bench
  const debezium = bench.debezium ? await debeziumContenders(bench, 'documents') : () => ({})
  const backlog = await loadInserts(database.collection('documents'), events)
  const common = { backlog, count: events }
  const loop = { ...common, script: 'contenders/naive.mjs' }
  const peer = await fetchPeer()
  const peerLabel = `${PEER.name} + amqplib, batches of 500`
  const counted = { url: counting.url }
  const named = {
    each: {
      ...loop,
      loop: 'each',
      count: Math.min(events, Math.ceil(naive / 5)),
      label: 'naive loop, confirm and token each',
    },
    confirmEach: { ...loop, loop: 'confirm-each', count: Math.min(events, naive), label: 'naive loop, confirm each' },
    per500: { ...loop, loop: 'per-500', label: 'naive loop, confirm per 500' },
    bare: { ...common, script: 'contenders/bare-loop.mjs', label: 'bare loop, driver and amqplib, 2,000 unconfirmed' },
    peer: { ...common, script: 'contenders/mongochangestream.mjs', peer, label: peerLabel },
    ours: { ...common, script: 'contenders/ours.mjs', label: '**this library**, classic queue' },
    alone: { ...common, script: 'contenders/broker-alone.mjs', label: 'the broker alone, classic queue' },
    aloneBare: {
      ...common,
      script: 'contenders/broker-alone.mjs',
      bare: true,
      label: 'the broker alone, bare messages, classic queue',
    },
    oursQuorum: { ...common, ...QUORUM, script: 'contenders/ours.mjs', label: '**this library**, quorum queue' },
    aloneQuorum: {
      ...common,
      ...QUORUM,
      script: 'contenders/broker-alone.mjs',
      label: 'the broker alone, quorum queue',
    },
    counted: { ...common, ...counted, script: 'contenders/ours.mjs', label: '**this library**, counting broker' },
    peerCounted: {
      ...common,
      ...counted,
      script: 'contenders/mongochangestream.mjs',
      peer,
      label: `${PEER.name}, counting broker`,
    },
    read: { ...common, script: 'contenders/read-alone.mjs', label: 'reading alone, the change stream as bytes' },
  }
  Object.assign(named, debezium(backlog))
  if (peer !== undefined) return named
  const { peer: _, peerCounted: __, ...without } = named
  return without
}

/** What didn't run, such as a package that can't be had, has no rounds. */
function goalsOf(results) {
  const of = (key, figure) => (results[key] ?? []).map(result => result[figure])
  const times = (key, other) => ratios(results[key] ?? [], results[other] ?? [])
  const warm = of('debeziumTuned', 'warmPerSecond').map((rate, round) => results.ours[round].perSecond / rate)
  const cpu = of('ours', 'cpuPerThousand')
  const goals = [
    { what: 'of the broker alone, classic queue', values: times('ours', 'alone'), atLeast: 0.8, stretch: 0.9 },
    {
      what: 'of the broker alone, quorum queue',
      values: times('oursQuorum', 'aloneQuorum'),
      atLeast: 0.6,
      stretch: 0.7,
    },
    { what: 'the broker alone, × the same with bare messages', values: times('alone', 'aloneBare') },
    { what: `the broker alone, × ${PEER.name} + amqplib`, values: times('alone', 'peer') },
    { what: 'the broker alone, × the confirm-each loop', values: times('alone', 'confirmEach'), digits: 1 },
    { what: `× ${PEER.name} + amqplib`, values: times('ours', 'peer'), atLeast: 1.8 },
    { what: `× ${PEER.name}, counting broker`, values: times('counted', 'peerCounted') },
    { what: '× the confirm-each loop', values: times('ours', 'confirmEach'), digits: 1, atLeast: 15 },
    { what: '× the loop with confirm and token each', values: times('ours', 'each'), digits: 1 },
    { what: '× the loop with a confirm per 500', values: times('ours', 'per500') },
    { what: '× the bare loop', values: times('ours', 'bare') },
    { what: 'of reading alone, counting broker', values: times('counted', 'read') },
    { what: 'CPU s per 1,000 events, untouched', values: cpu, digits: 3, atMost: 0.035, stretch: 0.025 },
    {
      what: 'events/s, counting broker',
      values: of('counted', 'perSecond'),
      digits: 0,
      atLeast: 24_000,
      stretch: 36_000,
    },
    { what: 'peak RSS in MiB, classic queue', values: of('ours', 'peakRssMb'), digits: 0, atMost: 170 },
  ]
  const debezium = [
    { what: '× Debezium Server, classic queue', values: times('ours', 'debezium'), atLeast: 2.2 },
    { what: '× Debezium Server, quorum queue', values: times('oursQuorum', 'debeziumQuorum'), atLeast: 2.5 },
    { what: '× Debezium Server, tuned and warm', values: warm, atLeast: 1.6 },
  ]
  return results.debezium ? [...goals, ...debezium] : goals
}
