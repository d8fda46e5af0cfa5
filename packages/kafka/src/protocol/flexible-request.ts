import {
  DecoderClass,
  EncoderClass,
  type Broker,
  type Decoder,
  type Encoder,
} from '../client/kafkajs-internals.ts'

/** Ends a structure: it has no tagged fields. */
export const tagged = (fields: Encoder): Encoder => fields.writeUVarInt(0)

/** Sends a request in the flexible encoding (KIP-482: compact lengths and tagged fields), which kafkajs lacks. */
export const sendFlexible = <T>(
  broker: Broker,
  { name, key, version }: { readonly name: string; readonly key: number; readonly version: number },
  body: (start: Encoder) => Encoder,
  read: (decoder: Decoder) => T,
): Promise<T> =>
  broker.connectionPool.send({
    request: {
      apiName: name,
      apiKey: key,
      apiVersion: version,
      // kafkajs does not write the tagged fields that end the request header, nor read those of the response header.
      encode: () => Promise.resolve(tagged(body(tagged(new EncoderClass())))),
    },
    response: {
      decode: (bytes) => {
        const decoder = new DecoderClass(bytes)
        decoder.readTaggedFields()
        return Promise.resolve(read(decoder))
      },
      parse: (data) => Promise.resolve(data),
    },
  })
