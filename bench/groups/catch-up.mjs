// Catching up on W: inserted documents of 1 KB, one durable queue, persistent, confirmed.

import { loadInserts } from '../backlog.mjs'
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

async function contendersOf({ database, events, naive, counting }) {
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
  if (peer !== undefined) return named
  const { peer: _, peerCounted: __, ...without } = named
  return without
}

function goalsOf(results) {
  const {
    ours,
    alone,
    oursQuorum,
    aloneQuorum,
    confirmEach,
    each,
    per500,
    bare,
    peer = [],
    counted,
    peerCounted = [],
  } = results
  const figure = (list, name) => list.map(result => result[name])
  return [
    { what: 'of the broker alone, classic queue', values: ratios(ours, alone), atLeast: 0.8, stretch: 0.9 },
    { what: 'of the broker alone, quorum queue', values: ratios(oursQuorum, aloneQuorum), atLeast: 0.6, stretch: 0.7 },
    { what: `× ${PEER.name} + amqplib`, values: ratios(ours, peer), atLeast: 1.8 },
    { what: `× ${PEER.name}, counting broker`, values: ratios(counted, peerCounted) },
    { what: '× the confirm-each loop', values: ratios(ours, confirmEach), digits: 1, atLeast: 15 },
    { what: '× the loop with confirm and token each', values: ratios(ours, each), digits: 1 },
    { what: '× the loop with a confirm per 500', values: ratios(ours, per500) },
    { what: '× the bare loop', values: ratios(ours, bare) },
    { what: 'of reading alone, counting broker', values: ratios(counted, results.read) },
    {
      what: 'CPU s per 1,000 events, untouched',
      values: figure(ours, 'cpuPerThousand'),
      digits: 3,
      atMost: 0.035,
      stretch: 0.025,
    },
    {
      what: 'events/s, counting broker',
      values: figure(counted, 'perSecond'),
      digits: 0,
      atLeast: 24_000,
      stretch: 36_000,
    },
    { what: 'peak RSS in MB, classic queue', values: figure(ours, 'peakRssMb'), digits: 0, atMost: 170 },
  ]
}
