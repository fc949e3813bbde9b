import type { MongoNode } from '../../../scripts/services/index.mjs'
import { family, type Stage } from '../stage.js'

async function secondaries({ world: { mongo } }: Stage): Promise<MongoNode[]> {
  const primary = await mongo.primary()
  return mongo.nodes.filter(node => node !== primary)
}

async function away(nodes: readonly MongoNode[], stage: Stage): Promise<void> {
  await Promise.all(nodes.map(node => node.kill()))
  await stage.last()
  await Promise.all(nodes.map(node => node.restart()))
}

async function frozen(node: MongoNode, stage: Stage): Promise<void> {
  node.pause()
  try {
    await stage.last()
  } finally {
    node.resume()
  }
}

/** Members of the set step down, die, freeze. Both readers read from the primary. */
export const mongoMembers = family('mongodb', {
  'the primary steps down': async ({ world }) => void (await world.mongo.stepDown()),
  'the primary is killed': async stage => away([await stage.world.mongo.primary()], stage),
  'a secondary is killed': async stage => away([stage.random.pick(await secondaries(stage))], stage),
  'the majority is lost': async stage => away(await secondaries(stage), stage),
  'the whole set is down': async stage => away(stage.world.mongo.nodes, stage),
  'the primary is shut down': async stage => {
    const node = await stage.world.mongo.primary()
    await node.stop()
    await stage.last()
    await node.restart()
  },
  'the primary freezes': async stage => frozen(await stage.world.mongo.primary(), stage),
  'a secondary freezes': async stage => frozen(stage.random.pick(await secondaries(stage)), stage),
})
