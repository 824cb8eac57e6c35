"""The contract of jobs whose input is a request of any OpenAI route."""
