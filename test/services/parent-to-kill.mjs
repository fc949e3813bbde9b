// Starts both services, freezes one process of each kind, says who they are, and waits to be killed.
import { startServices } from '../../scripts/services/index.mjs'

const { mongo, rabbit } = await startServices({ mongo: { nodes: 3 } })
mongo.nodes[1]?.pause()
rabbit.pause()
process.stdout.write(`${JSON.stringify([rabbit.pid, ...mongo.nodes.map(node => node.pid)])}\n`)
