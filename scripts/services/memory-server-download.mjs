// A program of its own: `node memory-server-download.mjs url` prints where mongodb-memory-server would download mongod
// from, `node memory-server-download.mjs download DIRECTORY` does it and prints the binary's path. In a process of its
// own since it logs stack traces, can't be cancelled, and waits 60 s for a host that stays silent.
import { createRequire } from 'node:module'

const [task, downloadDir = ''] = process.argv.slice(2)
// Through the package that we depend on: its core isn't ours to name, and not hoisted by every package manager.
const core = createRequire(createRequire(import.meta.url).resolve('mongodb-memory-server'))

if (task === 'url') {
  const { MongoBinaryDownloadUrl } = core('mongodb-memory-server-core/lib/util/MongoBinaryDownloadUrl')
  const { DryMongoBinary } = core('mongodb-memory-server-core')
  console.log(await new MongoBinaryDownloadUrl(await DryMongoBinary.generateOptions({})).getDownloadUrl())
} else {
  const { MongoBinary } = core('mongodb-memory-server-core')
  console.log(await MongoBinary.getPath({ downloadDir }))
}
