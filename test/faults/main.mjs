// `npm run test:faults` and `npm run test:checker`: see nemesis.ts and checker.ts.
import { startServices, tcpProxy } from '../../scripts/services/index.mjs'
import { bundle } from './bundle.mjs'

const [program = 'nemesis', ...args] = process.argv.slice(2)
try {
  const { main } = await import(await bundle(program))
  process.exitCode = await main(args, { startServices, tcpProxy, bundle })
} catch (error) {
  process.stderr.write(`could not check: ${error instanceof Error ? error.stack : error}\n`)
  process.exitCode = 1
}
// Sockets of a driver that was cut off may hold the process for long.
process.exit()
