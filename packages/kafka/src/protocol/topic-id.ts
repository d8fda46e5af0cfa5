import { EncoderClass, type Cluster } from '../client/kafkajs-internals.ts'
import { leaderOf, whileClusterAnswers } from '../client/offsets.ts'
import { sendFlexible } from './flexible-request.ts'

const METADATA = { name: 'Metadata', key: 3, version: 12 } as const

/**
 * The id of a topic, which changes when the topic is deleted and created again. Empty for brokers before 3.1, which do
 * not report it.
 */
export const topicIdOf = (cluster: Cluster, topic: string): Promise<string> =>
  whileClusterAnswers(`the id of ${topic}`, async () => {
    const broker = await leaderOf(cluster, topic, 0)
    const range = broker.versions?.[METADATA.key]
    if (range === undefined || range.maxVersion < METADATA.version) return ''
    return sendFlexible(
      broker,
      METADATA,
      (start) => {
        const wanted = new EncoderClass().writeInt64('0').writeInt64('0').writeUVarIntString(topic)
        return start
          .writeUVarIntArray([wanted.writeUVarInt(0)], 'object')
          .writeBoolean(false)
          .writeBoolean(false)
      },
      (decoder) => {
        decoder.readInt32()
        decoder.readUVarIntArray((one) => {
          one.readInt32()
          one.readUVarIntString()
          one.readInt32()
          one.readUVarIntString()
          one.readTaggedFields()
        })
        decoder.readUVarIntString()
        decoder.readInt32()
        // Stops after the id of the only topic.
        const [id] =
          decoder.readUVarIntArray((one) => {
            one.readInt16()
            one.readUVarIntString()
            return `${one.readInt64().toString()}.${one.readInt64().toString()}`
          }) ?? []
        return id ?? ''
      },
    )
  })
