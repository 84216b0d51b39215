"""LangGraph: the calls of every node are recorded, and a span around the graph makes them one trace."""

from typing import TypedDict

from langchain_openai import ChatOpenAI
from langgraph.graph import END, START, StateGraph

from autolog import autolog

autolog.patch()  # before or after clients are created


class State(TypedDict):
    question: str
    answer: str


def answer(state: State) -> dict[str, str]:
    return {"answer": str(ChatOpenAI(model="gpt-4o-mini").invoke(state["question"]).content)}


graph = StateGraph(State)
graph.add_node("answer", answer)
graph.add_edge(START, "answer")
graph.add_edge("answer", END)
app = graph.compile()

with autolog.context(user="user:42"), autolog.span("graph", kind="agent"):
    print(app.invoke({"question": "What is the capital of Portugal?", "answer": ""})["answer"])
