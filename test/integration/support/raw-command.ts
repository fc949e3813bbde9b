import { once } from 'node:events'
import { connect } from 'node:net'
import { BSON, type Document, MongoClient } from 'mongodb'

/** The operation code of OP_MSG. */
const OP_MSG = 2013
/** Header, flags and the kind of the one section. */
const BEFORE_BODY = 21

/**
 * Sends a command whose bytes no driver would send: `replace` is put in the place of `find`, byte for byte of Latin-1.
 * OP_MSG: https://www.mongodb.com/docs/manual/reference/mongodb-wire-protocol/#op_msg. Without a log-in.
 */
export async function rawCommand(uri: string, command: Document, find: string, replace: string): Promise<void> {
  if (find.length !== replace.length) throw new Error('Expected two texts of one length')
  const plain = Buffer.from(BSON.serialize(command)).toString('latin1')
  if (!plain.includes(find)) throw new Error(`Expected ${find} in the command`)
  const body = Buffer.from(plain.replaceAll(find, replace), 'latin1')
  const head = Buffer.alloc(BEFORE_BODY)
  head.writeInt32LE(head.length + body.length, 0)
  head.writeInt32LE(1, 4)
  head.writeInt32LE(OP_MSG, 12)
  const { ok, errmsg, writeErrors } = BSON.deserialize(await answerTo(uri, Buffer.concat([head, body])))
  if (ok !== 1 || writeErrors) throw new Error(`The server refused: ${errmsg ?? JSON.stringify(writeErrors)}`)
}

/** The body of the answer. */
async function answerTo(uri: string, request: Buffer): Promise<Buffer> {
  const [address] = new MongoClient(uri).options.hosts
  const socket = connect({ host: address?.host ?? '', port: address?.port ?? 0 })
  try {
    await once(socket, 'connect')
    socket.write(request)
    let answer = Buffer.alloc(0)
    while (answer.length < 4 || answer.length < answer.readInt32LE(0)) {
      const [bytes] = await once(socket, 'data')
      answer = Buffer.concat([answer, bytes])
    }
    return answer.subarray(BEFORE_BODY)
  } finally {
    socket.destroy()
  }
}
