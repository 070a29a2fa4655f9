package state

import (
	"fmt"

	"cohort/coordinator/wire"
)

// applyLife goes on with the switch of apply, over the commands of a model's life.
func (t *tx) applyLife(env wire.Envelope) (id string, refused *wire.Error) {
	switch env.Number {
	case wire.CmdPutKey:
		return do(env, t.putKey)
	case wire.CmdPromote:
		return do(env, t.promote)
	case wire.CmdSetModel:
		return do(env, t.editModel)
	case wire.CmdDeleteVersion:
		return do(env, t.deleteVersion)
	case wire.CmdTaskReady:
		return do(env, t.taskReady)
	case wire.CmdStartDeployment:
		return do(env, t.startDeployment)
	case wire.CmdMoveTraffic:
		return do(env, t.moveTraffic)
	case wire.CmdStopDeployment:
		return do(env, t.stopDeployment)
	case wire.CmdAppendAttempts:
		return do(env, t.appendAttempts)
	case wire.CmdSealAttempts:
		return do(env, t.sealAttempts)
	default:
		panic(fmt.Sprintf("state: command %d is unknown to this binary: upgrade it", env.Number))
	}
}
