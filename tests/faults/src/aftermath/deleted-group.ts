import { GROUPS } from '../judge/quiet.ts'
import { deleteGroupOf } from '../rig/cluster-state.ts'
import type { AftermathRig } from './aftermath-rig.ts'
import { startAndRepair } from './parked.ts'

const EVENTS = 200

/**
 * The offsets of every group are lost, as when somebody deletes a group, or it expires while a service is stopped. What
 * was read once must not be read again as if it were new: either a stage goes on where it was, or it stops and says so.
 */
export const deletedGroup = async (rig: AftermathRig): Promise<readonly string[]> => {
  const consumers = rig.instances.filter(({ kind, isWanted }) => isWanted && kind !== 'ingress')
  await Promise.all(consumers.map((instance) => instance.stop()))
  for (const group of Object.keys(GROUPS)) await deleteGroupOf(rig.servers.urls.kafkaBrokers, group)
  await rig.send(EVENTS)
  return startAndRepair(rig, consumers)
}
