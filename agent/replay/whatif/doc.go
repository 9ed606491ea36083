// Package whatif lets a turn machine decide otherwise about what was heard: [Run] gives it a world in which all that does not
// depend on its decisions comes at its own time, and what does is modeled, and [Again] makes such a world of a recorded
// conversation.
//
// It is pure and runs in no time: a conversation of ten seconds takes well under a millisecond. What it cannot know is what people would
// have done had the agent decided otherwise; they do what they did.
package whatif
