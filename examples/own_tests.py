"""Assert in your own tests what your code asked and spent. Run with pytest, or as a program."""

import openai

import autolog


def summarise(text: str) -> str:
    answer = openai.OpenAI().chat.completions.create(
        model="gpt-4o-mini", messages=[{"role": "user", "content": f"Summarise: {text}"}]
    )
    return answer.choices[0].message.content or ""


def test_summarise_is_cheap() -> None:
    autolog.patch_openai()
    with autolog.testing.capture() as records:
        summarise("A long story about a short journey.")
    assert len(records) == 1
    assert records[0].status == "ok"
    assert records[0].cost is not None
    assert records[0].cost < 0.01


if __name__ == "__main__":
    test_summarise_is_cheap()
    print("cheap enough")
